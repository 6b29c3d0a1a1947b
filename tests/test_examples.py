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
from feedback.rows import import_rows
from training.hyperparameters import Hyperparameters
from training.snapshot import Recipe, build
from workers.context import open_context

SYSTEM = "Be brief."
HOW = Hyperparameters(rank=4)


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


def snapshot(context, renderer, system=SYSTEM, how=HOW, **recipe):
    record = context.record
    return build(record, renderer, Recipe(system, "base", how, **recipe))


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


def only(found):
    (item,) = [*found.train, *found.evaluation]
    return item


def on_the_training_side(context, renderer, question, **fields) -> Turn:
    """A turn whose side is not the frozen one, which a hash of its question decides."""
    for n in range(50):
        turn = served(context, renderer, f"{question} {n}", **fields)
        if context.reviews.splits([turn]) == ["train"]:
            return turn
    raise AssertionError


def said(renderer, ids) -> str:
    return renderer.tokenizer.decode(ids, skip_special_tokens=True)


def test_a_correction_is_learned_and_preferred_to_what_it_corrects(context, renderer):
    turn = on_the_training_side(context, renderer, "When do you open?", reply="At noon.")
    context.reviews.decide(turn.id, "edit", "o", scope="everyone", text="At nine.")
    item = only(snapshot(context, renderer))
    assert item.objective == "pair"
    assert (said(renderer, item.reply_ids), said(renderer, item.rejected_ids)) == ("At nine.", "At noon.")


def test_the_models_own_words_are_what_was_corrected_not_the_programs(context, renderer):
    fields = {"reply": "I found nothing.\n\nAt noon.", "generated": "At noon."}
    turn = on_the_training_side(context, renderer, "When do you open?", **fields)
    context.reviews.decide(turn.id, "edit", "o", scope="everyone", text="At nine.")
    assert said(renderer, only(snapshot(context, renderer)).rejected_ids) == "At noon."


def test_nobody_learns_not_to_say_what_memory_said(context, renderer):
    turn = on_the_training_side(context, renderer, "When do you open?", reply="At nine.", origin="approved")
    context.reviews.decide(turn.id, "reject", "o", scope="everyone")
    found = snapshot(context, renderer)
    assert (found.train, found.counts) == ((), {"without an answer": 1})


def test_an_edit_that_changes_nothing_is_no_preference(context, renderer):
    turn = on_the_training_side(context, renderer, "When do you open?", reply="At  nine.")
    context.reviews.decide(turn.id, "edit", "o", scope="everyone", text="At nine.")
    assert only(snapshot(context, renderer)).objective == "sft"


def test_a_second_answer_that_was_approved_is_preferred_to_the_first(context, renderer):
    first = on_the_training_side(context, renderer, "When do you open?", reply="At noon.")
    second = served(context, renderer, first.messages[0].content, reply="At nine.", regenerates=first.id)
    context.ratings.regenerated(first.id, second.id, "zoe")
    context.reviews.decide(second.id, "approve", "o", scope="everyone")
    item = only(snapshot(context, renderer, review_policy="none"))
    assert (item.objective, item.source) == ("pair", second.id)
    assert said(renderer, item.rejected_ids) == "At noon."


@pytest.mark.parametrize("preferred", [0, 1])
@pytest.mark.parametrize("policy", ["all", "none"])
def test_of_two_answers_that_were_compared_the_better_is_preferred_in_either_direction(
    context, renderer, preferred, policy
):
    context.people.grant("ann", "member")
    first = on_the_training_side(context, renderer, "When do you open?", reply="At noon.")
    second = served(context, renderer, first.messages[0].content, reply="At nine.", beside=first.id)
    chosen, other = (first, second) if preferred == 0 else (second, first)
    context.ratings.rate(chosen.id, "ann", 1, against=other.id)
    if policy == "all":
        assert snapshot(context, renderer).train == ()
        context.reviews.decide(chosen.id, "approve", "o", scope="everyone")
    item = only(snapshot(context, renderer, review_policy=policy))
    assert (item.objective, item.source) == ("pair", chosen.id)
    assert (said(renderer, item.reply_ids), said(renderer, item.rejected_ids)) == (chosen.reply, other.reply)
    context.people.set_consent("zoe", "no")
    assert snapshot(context, renderer, review_policy=policy).train == ()
    context.people.set_consent("zoe", "yes")
    context.ratings.rate(chosen.id, "ann", 1)
    assert "pair" not in {item.objective for item in snapshot(context, renderer, review_policy=policy).train}


def test_a_frozen_pick_judges_and_trains_nobody(context, renderer):
    context.people.grant("ann", "member")
    questions = (f"What is matter {n}?" for n in range(60))
    frozen = (served(context, renderer, question, reply="At noon.") for question in questions)
    first = next(turn for turn in frozen if context.reviews.splits([turn]) == ["evaluation"])
    second = served(context, renderer, first.messages[0].content, reply="At nine.", beside=first.id)
    context.ratings.rate(second.id, "ann", 1, against=first.id)
    found = snapshot(context, renderer, review_policy="none")
    assert found.train == () and [(item.id, item.sign) for item in found.evaluation] == [(second.id, 1)]


def test_a_rejection_for_everyone_says_how_not_to_answer_until_it_is_taken_back(context, renderer):
    turn = on_the_training_side(context, renderer, "When do you open?", reply="Never.")
    context.reviews.decide(turn.id, "reject", "o")
    assert snapshot(context, renderer).train == ()
    context.reviews.decide(turn.id, "reject", "o", scope="everyone")
    item = only(snapshot(context, renderer))
    assert item.objective == "undesirable" and said(renderer, item.reply_ids) == "Never."
    context.reviews.decide(turn.id, "edit", "o", scope="everyone", text="At nine.")
    assert only(snapshot(context, renderer)).objective == "pair"


@pytest.mark.parametrize("policy", ["all", "flagged", "none"])
def test_thumbs_count_without_a_decision_only_where_the_policy_says_so(context, renderer, policy):
    context.people.grant("zoe", "member")
    liked, disliked = (on_the_training_side(context, renderer, f"{word} question?") for word in ("A good", "A bad"))
    context.ratings.rate(liked.id, "zoe", 1)
    context.ratings.rate(disliked.id, "zoe", -1)
    found = {item.source: item.objective for item in snapshot(context, renderer, review_policy=policy).train}
    assert found == ({} if policy == "all" else {liked.id: "desirable", disliked.id: "undesirable"})


def test_an_answer_that_was_made_again_is_weakly_undesirable_unless_the_second_was_preferred(context, renderer):
    context.people.grant("zoe", "member")
    first = on_the_training_side(context, renderer, "When do you open?", reply="At noon.")
    second = served(context, renderer, first.messages[0].content, reply="At nine.", regenerates=first.id)
    context.ratings.regenerated(first.id, second.id, "zoe")
    item = only(snapshot(context, renderer, review_policy="none"))
    assert (item.source, item.objective, item.weight) == (first.id, "undesirable", 0.5)
    context.ratings.rate(second.id, "zoe", 1)
    item = only(snapshot(context, renderer, review_policy="none"))
    assert (item.source, item.objective, item.weight) == (second.id, "pair", 1.0)


def test_a_correction_nobody_reviewed_counts_where_nothing_is_reviewed_and_judges_nothing(context, renderer):
    context.people.grant("zoe", "member")
    turns = [served(context, renderer, f"When do you open on day {n}?", reply="At noon.") for n in range(30)]
    for turn in turns:
        context.ratings.correct(turn.id, "zoe", f"At nine, {turn.messages[0].content}")
    found = snapshot(context, renderer, review_policy="none")
    assert {item.objective for item in found.train} == {"pair"} and found.evaluation == ()
    assert len(found.train) + found.counts["of the frozen set, without an approved answer or a thumb"] == 30


def test_imported_thumbs_count_whatever_the_policy(context, renderer, tmp_path):
    rows = tmp_path / "thumbs.jsonl"
    rows.write_text("".join(f'{{"prompt": "Question {n}?", "completion": "No.", "label": false}}\n' for n in range(10)))
    import_rows(rows, context.turns, context.ratings, context.reviews)
    found = snapshot(context, renderer)
    assert found.train and {item.objective for item in found.train} == {"undesirable"}


def test_what_is_said_twice_counts_once_and_nobody_has_more_than_a_share(context, renderer):
    for author in [f"guest {n}" for n in range(20)]:
        context.people.set_consent(author, "yes")
    for n in range(100):
        author = "zoe" if n < 50 else f"guest {n % 20}"
        turn = served(context, renderer, f"What is matter{n} beside thing{n}?", reply=f"Fact {n}.", author=author)
        context.reviews.decide(turn.id, "approve", "o", scope="everyone")
    found = snapshot(context, renderer, author_share=0.1)
    assert sum(item.author == "zoe" for item in found.train) == 10
    twice = served(context, renderer, "What  is matter60 beside thing60?!", reply="Fact 60.", author="guest 0")
    context.reviews.decide(twice.id, "approve", "o", scope="everyone")
    assert snapshot(context, renderer, author_share=0.1).counts["repeated"] == 1


def test_older_items_are_sampled_beyond_the_reservoir_and_frozen_ones_carry_their_age(context, renderer):
    approve_many(context, renderer, 40)
    learned = now_ms()
    while now_ms() == learned:
        pass
    for n in range(40):
        turn = served(context, renderer, f"What is new about {n}?", reply=f"New {n}.")
        context.reviews.decide(turn.id, "approve", "o", scope="everyone")
    found = snapshot(context, renderer, learned=(learned,), reservoir_max_items=20)
    once = snapshot(context, renderer, learned=(learned,), reservoir_max_items=20, how=replace(HOW, epochs=1))
    assert len(once.train) == 20 and once.counts["beyond the reservoir"] == 60 - len(once.evaluation)
    assert once.hash != found.hash and once.passes == found.passes[:1]
    new = {item.source for item in found.train if "What is new" in said(renderer, item.prompt_ids)}
    assert [(len(read), len(read & new)) for read in found.passes] == [(20, 10)] * 8
    assert frozenset().union(*found.passes) == {item.source for item in found.train}
    assert len(found.train) == 80 - len(found.evaluation), "eight passes read all of them"
    assert {item.slice for item in found.evaluation} == {"new", "older 1"}
    assert all(("What is new" in said(renderer, i.prompt_ids)) == (i.slice == "new") for i in found.evaluation)


@pytest.mark.parametrize("policy", ["all", "flagged", "none"])
def test_frozen_thumbs_and_rejections_judge_by_how_likely_an_answer_is(context, renderer, policy):
    context.people.grant("zoe", "member")
    frozen = []
    for n in range(60):
        turn = served(context, renderer, f"What is matter {n}?", reply=f"Fact {n}.")
        frozen += [turn] if context.reviews.splits([turn]) == ["evaluation"] else []
    liked, disliked, rejected, again, corrected = frozen[:5]
    context.ratings.rate(liked.id, "zoe", 1)
    context.ratings.rate(disliked.id, "zoe", -1)
    context.reviews.decide(rejected.id, "reject", "o", scope="everyone")
    second = served(context, renderer, again.messages[0].content, reply="Another.", regenerates=again.id)
    context.ratings.regenerated(again.id, second.id, "zoe")
    context.ratings.correct(corrected.id, "zoe", "My own words.")
    found = snapshot(context, renderer, review_policy=policy)
    signs = {item.id: item.sign for item in found.evaluation}
    thumbs = {} if policy == "all" else {liked.id: 1, disliked.id: -1}
    assert signs == thumbs | {rejected.id: -1} and {item.slice for item in found.evaluation} == {"thumbs"}
    assert all(said(renderer, item.reply_ids).startswith("Fact") for item in found.evaluation) and found.train == ()
