"""From feedback to a version that knows how sure it is: a refresh, its report, its answers, and the queue."""

import re

import httpx
import pytest

from adapters.base import load_tokenizer
from adapters.manifest import HEAD
from bench.instance import free_ports
from core.errors import FenceLost
from core.prompt import Renderer
from core.records import Message, Turn, new_id, now_ms
from core.settings import Settings
from tests.serving_process import ask, serving, until_live
from tests.test_train import no_rest, tiny  # noqa: F401
from training.hyperparameters import Hyperparameters
from training.report import made_of
from workers import refresh
from workers.context import open_context
from workers.learning import manifest_of, take_snapshot, tune
from workers.lock import RefreshLock
from workers.refresh import run_refresh

WORDS = ("yes", "no")
PEOPLE = [f"person {n}" for n in range(20)]


@pytest.fixture
def context(store, valkey_url, tmp_path, tiny, monkeypatch):  # noqa: F811
    (port,) = free_ports(1)
    settings = Settings(
        data_dir=tmp_path, redis_url=valkey_url, serving_port=port, prompt_tokens=512, epochs=1, lora_rank=2
    )
    monkeypatch.setattr(refresh, "prepare_base", lambda model, folder: tiny)
    monkeypatch.setattr(refresh, "LOW_PRIORITY", 0)
    return open_context(settings)


def answered(context, base, count: int, bad: int) -> None:
    """The record of served answers: `bad` of them say no and are rejected, the rest is approved."""
    renderer = Renderer(load_tokenizer(base), base.tokenizer_hash, context.settings.prompt_tokens)
    system = context.settings.system_prompt
    for person in PEOPLE:
        context.people.set_consent(person, "yes")
    for n in range(count):
        question, author = f"Is {n} more than {count - n}?", PEOPLE[n % len(PEOPLE)]
        rejected = n * bad // count < (n + 1) * bad // count
        prompt = renderer.render([Message("system", system), Message("user", question)])
        turn = Turn(
            new_id(),
            (Message("user", question, author),),
            author=author,
            system=system,
            reply=f"{WORDS[rejected]}, {n}",
            status="complete",
            prompt_identity=renderer.identity,
            prompt_hash=prompt.hash,
            created_at=now_ms(),
        )
        context.turns.open(turn)
        context.turns.close(turn)
        context.reviews.decide(turn.id, "reject" if rejected else "approve", "operator", "everyone")


def test_feedback_becomes_a_version_that_knows_how_sure_it_is(context, tiny):  # noqa: F811
    answered(context, tiny, 100, 50)
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        result = run_refresh(context, lock, lambda stage, done, total: None)
    version = context.registry.get(result.version)
    manifest = version.manifest
    assert (context.registry.path(version.id) / HEAD).is_file()
    assert manifest.head.why == "" and min(manifest.head.good, manifest.head.bad) >= 20
    assert manifest.head.items >= 5 and 0 <= manifest.head.auc <= 1 and 0 <= manifest.head.ece <= 1
    assert len(manifest.sources) == len(manifest.source_digests) == len(set(manifest.sources))
    (line,) = [line for line in made_of(manifest) if line.startswith("outcome head")]
    assert re.search(r"learned from \d+ answers that worked and \d+ that did not; on \d+ frozen answers AUC", line)

    context.registry.promote(version.id, "operator", "")
    settings = context.settings.model_copy(update={"best_of": 3, "model_languages": "en"})
    with serving(settings, tiny) as address, httpx.Client(base_url=address, timeout=60) as http:
        until_live(http, version.id)
        told = [ask(http, [{"role": "user", "content": f"Is {n} more?"}], max_tokens=4, seed=n) for n in range(3)]
    turns = [context.turns.get(answer["apprentice"]["turn_id"]) for answer in told]
    assert [turn.confidence for turn in turns] == [answer["apprentice"]["confidence"] for answer in told]
    assert all(0 < turn.confidence < 1 for turn in turns)
    for turn in turns:
        context.ratings.rate(turn.id, "ann", 1)
    (first, *rest) = context.reviews.queue()
    assert first.why == "first of its kind" and [item.turn for item in rest] == sorted(
        (item.turn for item in rest), key=lambda turn: round(50 * turn.confidence)
    )


def test_a_refresh_that_is_killed_while_its_head_learns_goes_on_to_the_same_version(context, tiny, monkeypatch):  # noqa: F811
    """The adapter is not trained again: no step is made after the kill."""
    answered(context, tiny, 60, 30)
    renderer = Renderer(load_tokenizer(tiny), tiny.tokenizer_hash, context.settings.prompt_tokens)
    how = Hyperparameters(rank=2, alpha=2, epochs=1)
    snapshot = take_snapshot(context, tiny, renderer, how)
    steps: list[int] = []

    def once(name: str) -> str:
        draft = context.registry.draft(name)
        trained = tune(context, tiny, renderer, snapshot, how, draft, lambda stage, done, total: steps.append(done))
        return manifest_of(draft, tiny, renderer.identity, snapshot, how, trained).id

    whole = once("whole")
    made = len(steps)
    with monkeypatch.context() as killed:
        killed.setattr("training.train.learn_head", lambda *given: (_ for _ in ()).throw(FenceLost("killed")))
        with pytest.raises(FenceLost):
            once("killed")
    assert len(steps) == 2 * made
    assert once("again") == whole and len(steps) == 2 * made
