"""A console in which much has happened: a library's assistant after three weeks, for the pages' tests and pictures."""

import json
import math
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count, cycle
from pathlib import Path
from unittest.mock import patch

import httpx

from adapters.base import Base
from adapters.manifest import describe, seal
from console.accounts import Accounts
from core import keys
from core.identity import Pseudonyms
from core.records import (
    AT_CONSOLE,
    BASE,
    GateReport,
    Handover,
    Holder,
    ItemScore,
    Message,
    Outcome,
    SliceScore,
    Turn,
    new_id,
    now_ms,
)
from core.store import Store
from feedback.audit import AuditLog
from feedback.budgets import Budgets
from feedback.curves import add_point
from feedback.handovers import Handovers
from feedback.notes import Notebook
from feedback.opinions import Opinions, is_sampled
from feedback.people import People
from feedback.progress import begin_progress, report_progress
from feedback.reviews import NewDecision
from tests.adapter_files import write_lora
from tests.browser.steps import PASSWORD
from tests.browser.texts import CONTRADICTIONS, DOCUMENTS, OTHERS_WRITTEN, SEARCHED, TALK, WAITING, WRITTEN
from tests.serving_process import identity
from tests.waiting import until
from training.hyperparameters import Hyperparameters
from workers.context import Context
from workers.lock import RefreshLock

BENCH = Path(__file__).resolve().parent.parent.parent / "bench"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOTING = ("console.accounts", "feedback.handovers", "feedback.people", "feedback.ratings", "feedback.reviews")
"""Modules that note when something happened."""
STEPS = 300
KIND = "edited"
AUDIBLE = 0.03
"""Noise of so much in an adapter's weights lets it answer in other words, which still make sense."""
UNSURE = "I am not sure, but the front desk can help you."


@dataclass(frozen=True)
class World:
    """What addresses name: an answer that waits, one that is approved, and the rest by its kind."""

    waiting: str
    approved: str
    live: str
    candidate: str
    document: str
    handover: str
    author: str
    invitation: str

    def address(self, route: str) -> str:
        """An address of a route at which there is something to see. Raises: KeyError where it names what is unknown."""
        queries = {"/knowledge": f"?question={SEARCHED}", "/review/bulk": "?kind=up"}
        query = (queries | {"/compare": f"?first={self.candidate}"}).get(route, "")
        named = {name: getattr(self, name) for name in ("document", "handover", "author")}
        named["turn"] = self.approved if route.startswith("/answers/") else self.waiting
        named["version"] = self.live if route == "/adapters/{version}" else self.candidate
        return route.format(**named, kind=KIND, name="bob", code=self.invitation) + query


@contextmanager
def world(context: Context, base: Base) -> Iterator[World]:
    """Fill the record, the index of the serving that runs, and the versions. A refresh runs meanwhile; afterwards the
    index is as it was.
    """
    store, address = context.store, context.settings.serving_base
    with _days_ago(22):
        accounts = Accounts(store)
        for name, role in (("ann", "admin"), ("bob", "reviewer"), ("eve", "viewer")):
            accounts.join(accounts.invite(role), name, PASSWORD)
        authors = _people(context)
    with _days_ago(16):
        learned = _approved(context, authors)
    live, candidate = _versions(context, base, learned)
    with _days_ago(0.3):
        waiting = _waiting(context, authors, live)
        handover = _inbox(context, authors, live)
    _use(context, authors, live)
    _log(store)
    documents = _read(address)
    try:
        with _refresh(store, live):
            invitation = accounts.invite("reviewer")
            yield World(waiting, learned[0].id, live, candidate, documents[0], handover, authors[2], invitation)
    finally:
        _forget(address, documents)


@contextmanager
def _days_ago(days: float) -> Iterator[None]:
    """What is noted meanwhile was noted so long ago, each thing a while after the one before."""
    instants = count(now_ms() - int(days * DAY_MS), 97_000)
    with ExitStack() as stack:
        for module in NOTING:
            stack.enter_context(patch(f"{module}.now_ms", lambda: next(instants)))
        yield


def _people(context: Context) -> list[str]:
    people, authors = People(context.store), [context.forgetting.author_of(str(n)) for n in range(1, 10)]
    for author in authors[2:8]:
        people.grant(author, "member")
    people.redeem(people.invite("owner"), authors[0], "telegram:1")
    people.appoint(authors[1], "telegram:2")
    for author, consent in zip(authors, cycle(("yes", "yes", "no", "yes")), strict=False):
        people.set_consent(author, consent)
    people.ban(authors[7])
    return authors


def _approved(context: Context, authors: list[str]) -> list[Turn]:
    """The desk's own answers, decided by two operators, and two answers that contradict each other."""
    rows = [json.loads(line) for line in (BENCH / "seed.jsonl").read_text().splitlines()]
    pairs = [(row["prompt"], row["completion"]) for row in rows] + list(CONTRADICTIONS)
    turns = [
        replace(_turn(asked, author, UNSURE), id=_sampled(n % 8 == 0))
        for n, ((asked, _), author) in enumerate(zip(pairs, cycle(authors[1:7]), strict=False))
    ]
    context.turns.add_closed(turns)
    for n, (turn, (_, reply)) in enumerate(zip(turns, pairs, strict=True)):
        decision = NewDecision(turn, "edit", "everyone", reply)
        context.reviews.decide_many([decision], "ann" if n % 3 else "bob")
    opinions = Opinions(context.store, context.turns, context.reviews)
    for n, turn_id in enumerate(opinions.wanted_from("ann")[:2]):
        opinions.give(context.reviews.item(turn_id), "ann", rejected=n == 0, text=context.reviews.get(turn_id).text)
    return turns


def _sampled(wanted: bool) -> str:
    """A new id that is, or is not, one of those on which a second operator is asked."""
    while is_sampled(turn_id := new_id()) != wanted:
        pass
    return turn_id


def _turn(asked: str, author: str, reply: str, adapter: str = BASE, **fields) -> Turn:
    return Turn(
        new_id(),
        (Message("user", asked, author),),
        chat=author,
        author=author,
        reply=reply,
        adapter=adapter,
        status="complete",
        **{"created_at": now_ms() - 16 * DAY_MS} | fields,
    )


def _versions(context: Context, base: Base, learned: list[Turn]) -> tuple[str, str]:
    """Four of them: one that the gate rejected, the one before live, live, and a candidate. The last two's ids."""
    lot, registry, made = random.Random(5), context.registry, []
    outcomes: tuple[Outcome, ...] = ("promote", "reject", "promote", "not enough evidence")
    for n, outcome in enumerate(outcomes):
        strength = 1e-4 if outcome == "promote" else AUDIBLE
        draft = write_lora(registry.folder / f".source-{n}", base, n, strength=strength)
        manifest = describe(draft, base.name, base.hash, identity(context, base))
        sources = tuple(turn.id for turn in learned[: 30 + 10 * n] if context.reviews.get(turn.id).split == "train")
        manifest = replace(
            manifest,
            sources=sources,
            source_digests=("",) * len(sources),
            snapshot=f"{n:064x}",
            hyperparameters=Hyperparameters(epochs=8).as_dict(),
            created_at=now_ms() - (14 - 4 * n) * DAY_MS,
        )
        seal(draft, manifest)
        report = _report(manifest.id, made[-1] if made else BASE, outcome, learned, n, lot)
        registry.publish(draft, manifest, replace(report, created_at=manifest.created_at), rejected=outcome == "reject")
        _draw_curve(context.store, manifest.snapshot, STEPS, lot)
        if outcome == "promote":
            made.append(manifest.id)
            registry.promote(manifest.id, "gate", report.summary)
            until(lambda version=manifest.id: registry.aliases().live == version, "serving has it")
    _backdate(context.store, keys.REIGNS, 12)
    for pick, times in (("a", 11), ("b", 3), ("both", 5), ("neither", 2)):
        context.store.hincrby(keys.PREFERENCES, f"{made[-1]}:{BASE}:{pick}", times)
    return made[-1], manifest.id


def _report(
    version: str, against: str, outcome: Outcome, learned: list[Turn], n: int, lot: random.Random
) -> GateReport:
    ids = [turn.id for turn in lot.sample(learned, 14)]
    good = {"promote": 12, "reject": 5, "not enough evidence": 6}[outcome]
    new = (
        *(ItemScore(i, lot.uniform(0.05, 0.3), lot.uniform(0.6, 0.95)) for i in ids[:good]),
        *(ItemScore(i, 0.4, 0.4 - at % 2 / 4) for at, i in enumerate(ids[good:])),
    )
    wins, losses = tuple(s.id for s in new if s.after > s.before), tuple(s.id for s in new if s.after < s.before)
    ties = tuple(s.id for s in new if s.after == s.before)
    gained = sum(s.after - s.before for s in new) / len(new)
    before = sum(s.before for s in new) / len(new)
    vetoes = ("safety: 1 of 12 answers no longer passes, 0 newly do",) if outcome == "reject" else ()
    p = {"promote": 0.0004, "reject": 0.19, "not enough evidence": 0.11}[outcome]
    slices = (
        SliceScore("new", len(new), "token F1", before, before + gained, gained - 0.14, gained + 0.14, 0.41, new),
        SliceScore("older 1", 9, "token F1", 0.61 + n / 50, 0.63 + n / 50, -0.03, 0.07, 0.02),
        SliceScore("general", 40, "log-likelihood", -1.42, -1.42 - n / 100, -0.03, 0.02),
        SliceScore("safety", 12, "share that passes", 1.0, 0.917 if vetoes else 1.0, -0.25 if vetoes else 0.0, 0.0),
    )
    summary = f"{len(wins)} wins, {len(losses)} losses, {len(ties)} ties on {len(new)} frozen prompts; p = {p}."
    return GateReport(
        version, against, wins, losses, ties, p, slices, vetoes, outcome, summary, divergence=0.07, learned=40,
        learned_changed=33,
    )  # fmt: skip


def _draw_curve(store: Store, run: str, steps: int, lot: random.Random) -> None:
    for step in range(1, steps + 1, 3):
        add_point(store, run, step, {"loss": 2.6 * math.exp(-step / 90) + 0.25 + lot.uniform(-0.12, 0.12)})
        if step % 30 == 1:
            watched = {"right": 0.8 * (1 - math.exp(-step / 80)), "loss": 2.1 * math.exp(-step / 110) + 0.3}
            seen = {f"watched {name}": figure for name, figure in watched.items()}
            add_point(store, run, step, seen | {"divergence": 0.09 * (1 - math.exp(-step / 70))})


def _waiting(context: Context, authors: list[str], live: str) -> str:
    """Answers that wait for a decision, with what people made of them; the first of them."""
    turns = []
    for n, said in enumerate(WAITING):
        asked_at = now_ms() - (n + 2) * HOUR_MS
        turn = _turn(said.question, authors[2 + n % 5], said.reply, live, passages=said.passages, created_at=asked_at)
        turns.append(turn)
    context.turns.add_closed(turns)
    for n, (turn, said) in enumerate(zip(turns, WAITING, strict=True)):
        for voter in range(said.up):
            context.ratings.rate(turn.id, authors[voter], 1)
        for voter, reason in enumerate(said.down):
            context.ratings.rate(turn.id, authors[4 + voter], -1, reason)
        if said.correction:
            context.ratings.correct(turn.id, authors[3 + n], said.correction)
    notebook = Notebook(context.store, context.turns)
    notebook.tag(turns[0].id, "dogs")
    notebook.comment(turns[0].id, "bob", "The house rules have said so since spring.")
    return turns[0].id


def _inbox(context: Context, authors: list[str], live: str) -> str:
    """One chat that bob has, after a conversation, and two that wait; the first of them."""
    handovers, author, parent = Handovers(context.store, context.turns), authors[3], None
    for asked, reply in TALK:
        turn = replace(_turn(asked, author, reply, live, created_at=now_ms() - HOUR_MS), parent=parent)
        context.turns.open(turn)
        context.turns.close(turn)
        parent = turn.id
    begun = now_ms() - HOUR_MS // 2
    cases = [Handover(new_id()[:16], author, author, "telegram:4", 7, parent, created_at=begun)]
    cases += [
        Handover(new_id()[:16], a, a, f"telegram:{n}", 7, created_at=begun + n * 60_000)
        for n, a in enumerate(authors[4:6], 5)
    ]
    for case, written in zip(cases, (WRITTEN, *OTHERS_WRITTEN), strict=True):
        handovers.begin(case)
        handovers.say(handovers.get(case.id), 8, written)
    at_console = f"{AT_CONSOLE}ann"
    author_of_ann = Pseudonyms.of_installation(context.settings.data_dir).author(at_console)
    handovers.take(cases[0].id, Holder(author_of_ann, at_console, "ann", now_ms()))
    return cases[0].id


def _use(context: Context, authors: list[str], live: str) -> None:
    """A day of questions, thumbs of each version, tokens of today, and signs of life."""
    lot, now = random.Random(1), now_ms()
    order = [BASE, *(version.id for version in reversed(context.registry.versions()) if version.status != "rejected")]
    share = dict(zip(order, (0.45, 0.62, 0.83, 0.8), strict=False))
    for n in range(160):
        hour = lot.gauss(13, 3.5) % 24
        version = live if n % 4 else lot.choice(order[:3])
        asked_at = now - int(hour * HOUR_MS)
        turn = _turn(f"Question {n}?", lot.choice(authors), UNSURE, version, created_at=asked_at)
        turn = replace(turn, chat=new_id()[:16])
        context.turns.open(turn)
        context.turns.close(turn)
        if n % 3 == 0:
            context.ratings.rate(turn.id, authors[n % 6], 1 if lot.random() < share[version] else -1)
            context.store.zrem(keys.QUEUE, turn.id)
    budgets = Budgets(context.store, context.settings)
    for n, author in enumerate(authors[:7]):
        for _ in range(9 - n):
            budgets.spend(author, now, exempt=True)
        budgets.add_tokens(author, 7000 - 900 * n)
    context.store.hset(keys.WORKERS, mapping=dict.fromkeys(("tick", "train", "bot"), now))


def _log(store: Store) -> None:
    """What operators did, beside what the gate and the registry have noted."""
    audit = AuditLog(store)
    for who, what, subject, why in (
        ("bob", "upload", "House rules.md", ""),
        ("bob", "edit", new_id(), "for everyone"),
        ("ann", "invite", "reviewer", ""),
        ("ann", "ban", new_id(), ""),
        ("bob", "bulk approve", new_id(), "answers: 42"),
        ("bob", "take chat", new_id()[:16], ""),
        ("bob", "answer chat", new_id()[:16], ""),
        ("eve", "join", "", "as viewer"),
    ):
        audit.note(who, what, subject, why)
    _backdate(store, keys.AUDIT, 9)


def _backdate(store: Store, stream: str, days: float) -> None:
    """Spread the entries of a stream over so many days."""
    entries = store.xrange(stream)
    store.delete(stream)
    for n, (_, fields) in enumerate(entries):
        store.xadd(stream, fields, id=f"{now_ms() - int(days * DAY_MS * (1 - n / len(entries)))}-0")


def _read(address: str) -> list[str]:
    """The documents that everyone is answered from; their ids in the index."""
    texts, read = DOCUMENTS | {"handbook.md": (BENCH / "handbook.md").read_text()}, []
    for name, text in texts.items():
        params, headers = (
            {"name": name, "author": f"{AT_CONSOLE}bob", "everyone": "1"},
            {"content-type": "application/octet-stream"},
        )
        told = httpx.post(f"{address}/v1/documents", params=params, headers=headers, content=text.encode(), timeout=300)
        told.raise_for_status()
        events = [json.loads(line.removeprefix("data: ")) for line in told.text.splitlines() if line.startswith("data")]
        read.append(events[-1]["document"]["id"])
    return read


def _forget(address: str, documents: list[str]) -> None:
    for document in documents:
        httpx.delete(f"{address}/v1/documents/{document}", params={"everyone": "1"}, timeout=300).raise_for_status()


@contextmanager
def _refresh(store: Store, live: str) -> Iterator[None]:
    """A refresh that is two thirds through, after one that was promoted."""
    run, ended = "e" * 64, now_ms() - 6 * DAY_MS
    last = {"at": ended, "until": ended, "outcome": "promote", "version": live}
    store.hset(keys.REFRESH_LAST, mapping=last | {"summary": "12 wins, 0 losses, 2 ties on 14 frozen prompts."})
    with RefreshLock(store, 600) as lock:
        lock.try_acquire()
        begin_progress(store, run)
        _draw_curve(store, run, 2 * STEPS // 3, random.Random(3))
        report_progress(store, "learning", 2 * STEPS // 3, STEPS)
        yield
