"""The health page: over a real console and real counters, then what it makes of figures."""

import re
from dataclasses import replace
from math import inf

import httpx
import pytest
from conftest import free_port
from prometheus_client import generate_latest

from adapters.aliases import Canary
from console.accounts import Accounts
from console.health import ago
from console.pulse import Pulse, quantile
from core import keys
from core.client import ServingClient
from core.errors import ServingUnavailable
from core.records import Message, Turn, new_id, now_ms, to_json
from core.settings import Settings
from feedback.budgets import Budgets
from feedback.evidence import Evidence
from feedback.spent import note_beside, note_spent
from feedback.tallies import Thumbs
from retrieval.ingest import ingest
from serving.metrics import Metrics
from tests.knowledge import embedder
from tests.test_console import console, opened
from tests.test_console_accounts import joined
from tests.waiting import until
from workers.context import open_context


@pytest.fixture(scope="module")
def settings(valkey_url, tmp_path_factory):
    data = tmp_path_factory.mktemp("health")
    (data / "prices.md").write_text("# Prices\n\nA print on the 3D printer costs 12 cents per gram.\n")
    ingest(data, [data / "prices.md"], embedder())
    ports = {"serving_port": free_port(), "console_port": free_port()}
    return Settings(data_dir=data, redis_url=valkey_url, reply_tokens=24, **ports)


def answered(context, adapter: str) -> Turn:
    """An answer of a version in a chat."""
    asked = (Message("user", f"Where is {new_id()}?"),)
    turn = Turn(id=new_id(), chat="c", messages=asked, adapter=adapter, created_at=now_ms())
    context.turns.open(turn)
    closed = replace(turn, reply="There.", status="complete")
    context.turns.close(closed)
    return closed


def text(page: httpx.Response) -> str:
    """What a person reads on a page, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


@pytest.fixture
def record(settings, store):
    """Votes on two versions, a queue, signs of life, tokens that were used, and refreshes of this month and before."""
    context, now = open_context(settings), now_ms()
    for adapter, votes in (("base", [-1, -1, 1]), ("a" * 64, [1, 1, 1, 1])):
        for vote in votes:
            context.ratings.rate(answered(context, adapter).id, "somebody", vote)
    store.hset(keys.WORKERS, mapping={"tick": now, "train": now - 3_600_000})
    Budgets(store, settings).add_tokens("somebody", 1234)
    for took_s in (300, 150):
        note_spent(store, now, took_s)
    note_spent(store, now - 40 * 86_400_000, 9999)
    note_beside(store, now - 60_000, now)
    return context


def test_a_viewer_sees_at_a_glance_how_it_goes(api, settings, store, record, monkeypatch):
    monkeypatch.setattr("console.pulse.EVERY_S", 0.2)
    with console(settings) as address:
        accounts = Accounts(store)
        with joined(address, accounts.invite("admin"), "ann"), joined(address, accounts.invite("viewer"), "bob") as bob:
            asked = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
            httpx.post(f"{api}/v1/chat/completions", json=asked, timeout=120).raise_for_status()

            def looked() -> httpx.Response | None:
                seen = text(found := bob.open("/health"))
                is_told = "median not known" not in seen and "1 process with a sign of life" in seen
                return found if is_told else None

            page = until(looked, "an answer and serving's sign of life are seen", 60)
    seen, waiting = text(page), record.reviews.waiting()
    assert "worker tick (the schedule) lives" in seen and "worker train silent last sign of life 1 h ago" in seen
    assert "bot silent never seen" in seen and "1 process with a sign of life" in seen and "serving lives" in seen
    assert (
        f"wait for review {waiting} the oldest for" in seen
        and waiting >= 3
        and "passages in the index of documents 1" in seen
    )
    assert "refreshes that ended this month (UTC) 2, 8.5 minutes of the worker's machine" in seen
    assert "0 questions, 1234 tokens" in seen and "7 in 24 hours" in seen
    assert "base live 1 2 33 % 6 to 79 %" in seen and f"{'a' * 12} 4 0 100 % 51 to 100 %" in seen
    assert "No version is on trial" in seen
    assert page.text.count("<svg") == 4 and len(page.content) < 150_000


def test_a_trial_is_shown_with_each_e_value_and_serving_that_is_away_as_what_it_is(settings, valkey_url, store):
    ports = {"serving_port": free_port(), "console_port": free_port()}
    alone = settings.model_copy(update={"redis_url": valkey_url.removesuffix("0") + "1", **ports})
    context, at = open_context(alone), now_ms()
    context.store.hset(keys.ALIASES, "canary", to_json(Canary("b" * 64, 0.2, "base", at)))
    evidence = Evidence(1, worse={"down": (3.0, 3.0, 3.0)}, not_worse=0.5)
    assert context.outcomes.keep("b" * 64, at, evidence)
    with console(alone) as address, opened(address) as page:
        seen = text(page.open("/health"))
    assert "serving does not answer 0 processes" in seen and "not known while serving is away" in seen
    assert "median not known yet" in seen and "Nobody gave a thumb" in seen
    assert "bbbbbbbbbbbb answers 20 % of the chats" in seen and "worse: thumbs down 20.09 240" in seen
    assert "not worse than live 1.65 20" in seen


class Far(ServingClient):
    """Serving's far side: counters that this test moves."""

    def __init__(self):
        self.counted: Metrics | None = Metrics()

    async def metrics(self) -> str:
        """What was counted, or nothing where serving is away."""
        if self.counted is None:
            raise ServingUnavailable("away")
        return generate_latest(self.counted.registry).decode()


async def test_speeds_are_what_was_counted_between_two_looks():
    far = Far()
    pulse = Pulse(far)
    await pulse.look()
    assert pulse.speeds() == [] and pulse.first_token(0.5) is None
    far.counted.generation_tokens.inc(100)
    far.counted.first_token.observe(0.3)
    far.counted.first_token.observe(0.5)
    far.counted.chunks.set(7)
    await pulse.look()
    await pulse.look()
    first, second = pulse.speeds()
    assert first.tokens_s > 0 and first.first_token_s == pytest.approx(0.4) and pulse.chunks == 7
    assert (second.tokens_s, second.first_token_s) == (0, None)
    assert pulse.first_token(0.5) == pytest.approx(0.375), "half of the way through the second quarter of a second"


async def test_a_new_process_begins_anew_and_one_that_is_away_is_waited_for():
    far = Far()
    far.counted.generation_tokens.inc(100)
    pulse = Pulse(far)
    await pulse.look()
    await pulse.look()
    far.counted = None
    await pulse.look()
    assert len(pulse.speeds()) == 1 and pulse.chunks is None
    far.counted = Metrics()
    await pulse.look()
    assert pulse.speeds() == [] and pulse.chunks == 0


@pytest.mark.parametrize(
    ("q", "within", "found"),
    [
        (0.5, [], None),
        (0.5, [(1.0, 0), (inf, 0)], None),
        (0.5, [(1.0, 10), (inf, 10)], 0.5),
        (0.9, [(1.0, 0), (2.0, 10), (inf, 10)], 1.9),
        (0.95, [(1.0, 5), (inf, 10)], 1.0),
    ],
)
def test_quantiles_are_prometheus_own(q, within, found):
    assert quantile(q, within) == (found if found is None else pytest.approx(found))


@pytest.mark.parametrize(
    ("up", "down", "low", "high"),
    [(0, 0, 0.0, 1.0), (5, 5, 0.2366, 0.7634), (10, 0, 0.7225, 1.0), (0, 10, 0.0, 0.2775), (81, 182, 0.2553, 0.3662)],
)
def test_the_share_of_thumbs_has_wilsons_interval(up, down, low, high):
    """The last is the example of R. G. Newcombe (1998), table I."""
    assert Thumbs(up, down).interval == pytest.approx((low, high), abs=5e-5)


def test_spans_are_said_in_their_largest_unit():
    assert [ago(ms) for ms in (0, 59_999, 60_000, 7_200_000, 200_000_000)] == ["0 s", "59 s", "1 min", "2 h", "2 d"]
