"""What the record, the registry and the trial show, for Prometheus: read anew whenever somebody asks."""

import time
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.registry import Collector

from core import keys
from core.errors import StoreUnavailable
from core.store import durable
from feedback.budgets import Budgets
from feedback.evidence import LEVEL, PARTS, not_worse_by, worse_by
from feedback.progress import read_progress
from feedback.tallies import tally
from workers.context import Context


class Gauges(Collector):
    """Figures of the whole installation. While the database is away there is only `apprentice_store_up`, which is 0."""

    def __init__(self, context: Context):
        self._context = context
        self._budgets = Budgets(context.store, context.settings)

    def describe(self) -> list[Gauge]:
        """Nothing, so that registering these asks no database."""
        return []

    def collect(self) -> Iterator[Gauge]:
        """Every figure, as it is now."""
        try:
            found = [*self._queue(), *self._feedback(), *self._signs(), *self._refresh(), *self._canary()]
        except StoreUnavailable:
            found = []
        yield Gauge("apprentice_store_up", "Whether the database answers.", int(bool(found)))
        yield from found

    def _queue(self) -> Iterator[Gauge]:
        reviews = self._context.reviews
        oldest = reviews.oldest()
        age_s = time.time() - oldest / 1000 if oldest else 0
        yield Gauge("apprentice_review_queue_length", "Answers that wait for review.", reviews.waiting())
        yield Gauge("apprentice_review_queue_age_seconds", "How long the oldest of them has waited.", max(age_s, 0))
        with durable():
            chats = self._context.store.zcard(keys.INBOX)
        yield Gauge("apprentice_inbox_length", "Chats that wait for a person, or talk with one.", chats)

    def _feedback(self) -> Iterator[Gauge]:
        context = self._context
        votes = Gauge("apprentice_votes", "Thumbs of the last 14 days.", labels=["version", "vote"])
        for version, thumbs in tally(context.store, context.turns, context.ratings).versions.items():
            votes.add_metric([version, "up"], thumbs.up)
            votes.add_metric([version, "down"], thumbs.down)
        yield votes
        tokens = self._budgets.used().tokens
        yield Gauge("apprentice_day_tokens", "Tokens read and written in Telegram today (UTC).", tokens)

    def _signs(self) -> Iterator[Gauge]:
        signs = Gauge("apprentice_last_seen_timestamp_seconds", "Newest sign of life.", labels=["process"])
        with durable():
            found = self._context.store.hgetall(keys.WORKERS)
        for process, at in found.items():
            signs.add_metric([str(process)], int(at) / 1000)
        yield signs
        replicas = len(self._context.registry.living())
        yield Gauge("apprentice_serving_replicas", "Serving processes that live.", replicas)

    def _refresh(self) -> Iterator[Gauge]:
        context = self._context
        progress = read_progress(context.store, context.settings.refresh_min_items)
        stage = Gauge("apprentice_refresh_stage", "1 for what the running refresh is doing.", labels=["stage"])
        if progress.stage:
            stage.add_metric([progress.stage], 1)
        yield stage
        yield Gauge("apprentice_refresh_new_items", "Approved items that no refresh has learned.", progress.approved)
        with durable():
            at = context.store.hget(keys.REFRESH_LAST, "at")
        if at:
            ended = "When the newest refresh ended."
            yield Gauge("apprentice_refresh_last_timestamp_seconds", ended, int(at) / 1000)

    def _canary(self) -> Iterator[Gauge]:
        values = Gauge(
            "apprentice_canary_e_value", "Evidence that a version on trial is ...", labels=["version", "that"]
        )
        needed = Gauge("apprentice_canary_e_value_needed", "How much of it ends the trial.", labels=["that"])
        canary = self._context.registry.aliases().canary
        if canary is not None:
            evidence = self._context.outcomes.evidence(canary.version, canary.set_at)
            values.add_metric([canary.version, "not worse"], not_worse_by(evidence))
            for signal, value in worse_by(evidence).items():
                values.add_metric([canary.version, f"worse: {signal}"], value)
        needed.add_metric(["not worse"], 1 / LEVEL)
        for signal, part in PARTS.items():
            needed.add_metric([f"worse: {signal}"], 1 / part)
        yield from (values, needed)
