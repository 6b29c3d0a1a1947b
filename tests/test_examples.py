"""What training sees: only what was approved for everyone, by people who consented, and nothing is lost on a change."""

from dataclasses import replace

import pytest

from adapters.base import load_tokenizer
from core import keys
from core.privacy import scrub
from core.prompt import LAYOUTS, Renderer
from core.records import APPROVED_PASSAGE, Message, Passage, Turn, new_id, now_ms, to_json
from core.settings import Settings
from feedback.reviews import NewDecision
from training.snapshot import Recipe, build
from training.sources import Record
from workers.context import open_context

SYSTEM = "Be brief."
HOW = {"rank": 4}


@pytest.fixture(scope="module")
def tokenizer(base):
    return load_tokenizer(base)


@pytest.fixture
def renderer(tokenizer):
    return Renderer(tokenizer, "a" * 64, 512)


@pytest.fixture
def context(store, valkey_url, tmp_path):
    opened = open_context(Settings(data_dir=tmp_path, redis_url=valkey_url))
    opened.people.set_consent("zoe", "yes")
    return opened


def served(context, renderer, question, reply="An answer.", **fields) -> Turn:
    """A turn as serving would have recorded it."""
    fields.setdefault("author", "zoe")
    passages = fields.get("passages", ())
    ancestors = context.turns.conversation(fields.get("parent"))
    past = [m for t in ancestors for m in (*t.messages, Message("assistant", t.reply))]
    prompt = renderer.render([Message("system", SYSTEM), *past, Message("user", scrub(question))], passages)
    turn = Turn(
        id=new_id(),
        messages=(Message("user", question, fields.get("author")),),
        reply=reply,
        system=SYSTEM,
        status="complete",
        prompt_identity=renderer.identity,
        prompt_hash=prompt.hash,
        created_at=now_ms(),
        **fields,
    )
    context.turns.open(turn)
    context.turns.close(turn)
    return turn


def snapshot(context, renderer, system=SYSTEM, **recipe):
    record = Record(context.turns, context.reviews, context.ratings, context.people, context.trust)
    return build(record, renderer, Recipe(system, "base", HOW, **recipe))


def texts(found, renderer) -> str:
    items = [*found.train, *found.evaluation]
    return "\n".join(renderer.tokenizer.decode([*i.prompt_ids, *i.reply_ids]) for i in items)


def approve_many(context, renderer, count: int) -> None:
    for n in range(count):
        turn = served(context, renderer, f"What is fact number {n}?")
        context.reviews.decide(turn.id, "approve", "o", scope="everyone")


def test_the_same_record_gives_the_same_snapshot(context, renderer):
    approve_many(context, renderer, 30)
    one, two = snapshot(context, renderer), snapshot(context, renderer)
    assert one == two and len(one.train) + len(one.evaluation) == 30
    assert len(one.evaluation) >= 1 and not {e.source for e in one.train} & {e.id for e in one.evaluation}
    approve_many(context, renderer, 1)
    assert snapshot(context, renderer).hash != one.hash


def test_consent_and_the_system_prompt_are_part_of_a_snapshots_name(context, renderer):
    approve_many(context, renderer, 3)
    mine = served(context, renderer, "My own question?", author="ann")
    context.reviews.decide(mine.id, "approve", "o", scope="everyone")
    without = snapshot(context, renderer)
    assert snapshot(context, renderer, "Be kind.").hash != without.hash
    context.people.set_consent("ann", "yes")
    assert snapshot(context, renderer).hash != without.hash
    context.people.set_consent("ann", "no")
    assert snapshot(context, renderer).hash == without.hash


def test_loss_is_on_the_reply_and_the_prompt_is_the_served_one(context, renderer):
    turn = served(context, renderer, "What is it?", reply="It.")
    context.reviews.decide(turn.id, "approve", "o", scope="everyone")
    found = snapshot(context, renderer)
    (item,) = [*found.train, *found.evaluation]
    assert list(item.reply_ids) == renderer.reply_ids("It.")
    assert renderer.render([Message("system", SYSTEM), Message("user", "What is it?")]).ids == item.prompt_ids


def test_a_new_prompt_or_a_new_model_loses_nothing(context, renderer, tokenizer, monkeypatch):
    approve_many(context, renderer, 20)
    monkeypatch.setitem(LAYOUTS, 2, LAYOUTS[1])
    for changed in (
        Renderer(tokenizer, "a" * 64, 512, version=2),
        Renderer(tokenizer, "a" * 64, 1024),
        Renderer(tokenizer, "another model" * 5, 512),
    ):
        found = snapshot(context, changed)
        assert len(found.train) + len(found.evaluation) == 20
        assert found.counts == {"re-rendered": 20}


def test_a_prompt_that_cannot_be_reproduced_is_dropped_and_counted(context, renderer):
    turn = served(context, renderer, "What is it?")
    context.turns.close(replace(turn, prompt_hash="other"))
    context.reviews.decide(turn.id, "approve", "o", scope="everyone")
    found = snapshot(context, renderer)
    assert (found.train, found.evaluation, found.counts) == ((), (), {"not reproducible": 1})


def test_nobodys_words_train_without_consent(context, renderer):
    mine = served(context, renderer, "My own question?", author="ann", chat="c")
    context.reviews.decide(mine.id, "approve", "o", scope="everyone")
    assert snapshot(context, renderer).counts == {"without consent": 1}
    context.people.set_consent("ann", "yes")
    follow_up = served(context, renderer, "And mine?", author="bob", chat="c", parent=mine.id)
    context.reviews.decide(follow_up.id, "approve", "o", scope="everyone")
    found = snapshot(context, renderer)
    assert found.counts == {"without consent": 1} and "And mine?" not in texts(found, renderer)
    nobodys = served(context, renderer, "A question of nobody?", author=None)
    context.reviews.decide(nobodys.id, "approve", "o", scope="everyone")
    found = snapshot(context, renderer)
    assert found.counts == {"without consent": 2} and "of nobody" not in texts(found, renderer)


@pytest.mark.parametrize("text", ["Carl's own words.", "Carl's own, words."])
def test_a_correctors_refusal_outlives_an_edit_and_the_correction(context, renderer, text):
    corrected = served(context, renderer, "A public question?")
    context.ratings.correct(corrected.id, "carl", "Carl's own words.")
    context.reviews.decide(corrected.id, "edit", "o", scope="everyone", text=text)
    context.store.delete(keys.corrections(corrected.id))
    found = snapshot(context, renderer)
    assert found.counts == {"without consent": 1} and "Carl" not in texts(found, renderer)
    context.people.set_consent("carl", "yes")
    assert text in texts(snapshot(context, renderer), renderer)


def test_a_review_of_before_correctors_were_kept_asks_those_of_now(context, renderer):
    corrected = served(context, renderer, "A public question?")
    context.ratings.correct(corrected.id, "carl", "Carl's own words.")
    review = context.reviews.decide(corrected.id, "edit", "o", scope="everyone", text="Other words.")
    context.store.set(keys.review(corrected.id), to_json(replace(review, correctors=None)))
    assert snapshot(context, renderer).counts == {"without consent": 1}


def test_what_is_approved_for_one_chat_trains_nobody(context, renderer):
    secret = served(context, renderer, "Where is the swordfish?", reply="Under the swordfish mat.", chat="c1")
    context.reviews.decide(secret.id, "approve", "o", scope="chat")
    found = snapshot(context, renderer)
    assert "swordfish" not in texts(found, renderer) and found.counts == {}


def test_what_follows_a_chats_own_documents_trains_nobody(context, renderer):
    private = Passage("p", "notes.md", "Notes", "The swordfish is green.", 0.9, scope="chat")
    first = served(context, renderer, "Which colour?", reply="The swordfish is green.", passages=(private,))
    second = served(context, renderer, "Thanks!", parent=first.id)
    context.reviews.decide_many([NewDecision(second, "approve", "everyone", "You are welcome.")], "o")
    found = snapshot(context, renderer)
    assert (found.train, found.evaluation, found.counts) == ((), (), {"of one chat only": 1})


def test_approved_answers_in_the_prompt_are_not_learned_from(context, renderer):
    memory = Passage(APPROVED_PASSAGE + "x", "approved", "", "A remembered evaluation answer.", 0.8)
    document = Passage("d1", "handbook.md", "", "A documented fact.", 0.7)
    turn = served(context, renderer, "What then?", passages=(document, memory))
    context.reviews.decide(turn.id, "approve", "o", scope="everyone")
    told = texts(snapshot(context, renderer), renderer)
    assert "A documented fact" in told and "remembered evaluation" not in told


def test_personal_data_is_scrubbed_before_rendering(context, renderer):
    turn = served(
        context, renderer, "Write to ann@example.org about card 4111 1111 1111 1111, order 4111 1111 1111 1112"
    )
    text = "Call +44 20 7946 0958 or use GB82 WEST 1234 5698 7654 32."
    context.reviews.decide(turn.id, "edit", "o", scope="everyone", text=text)
    told = texts(snapshot(context, renderer), renderer)
    assert "[email]" in told and "[card]" in told and "[phone]" in told and "[iban]" in told
    assert "ann@" not in told and "1111 1111 1112" in told, "an order number is no card"


def test_the_newest_approval_of_a_question_counts(context, renderer):
    for reply in ("Old.", "New."):
        turn = served(context, renderer, "Which one?", reply=reply)
        context.reviews.decide(turn.id, "approve", "o", scope="everyone")
    found = snapshot(context, renderer)
    assert len(found.train) + len(found.evaluation) == 1 and "New." in texts(found, renderer)
