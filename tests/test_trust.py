"""Whom to learn from: repetition counts once, nobody has more than a share, newcomers wait, operators rule."""

import random

import pytest

from core import keys
from core.records import Message, Rating, Turn, new_id, now_ms, to_json
from feedback.people import People
from feedback.rows import IMPORTER
from feedback.trust import ALWAYS_ALLOWED, COMPARED, Candidate, Trust, cap, collapse
from feedback.turns import Turns


@pytest.fixture
def people(store):
    return People(store)


@pytest.fixture
def trust(store, turns, ratings, reviews, people):
    return Trust(store, turns, ratings, reviews, people)


def answered(turns: Turns, question: str, reply: str = "An answer.", **fields) -> Turn:
    turn = Turn(new_id(), (Message("user", question),), reply=reply, status="complete", created_at=now_ms(), **fields)
    turns.add_closed([turn])
    return turn


def candidate(n: int, author: str = "ann", prompt: str = "", reply: str = "Yes.", reviewed: bool = False) -> Candidate:
    return Candidate(f"{n:05}", author, prompt or f"question {n} about thing{n} and matter{n}", reply, n, reviewed)


def vouched(trust: Trust, policy: str) -> set[str]:
    return {found.turn.id for found in trust.vouched(policy)}


def test_what_only_repeats_counts_once_and_the_newest_stays():
    asked = "How long may I keep a book from the reading room on the first floor?"
    same = [
        candidate(1, prompt=asked),
        candidate(2, prompt=asked.upper().replace("?", " !")),
        candidate(3, prompt=asked.replace("first", "second"), reply="yes"),
    ]
    others = [
        candidate(4, prompt=asked, reply="No."),
        candidate(5, prompt="How long may I keep a film?"),
        candidate(6, prompt="?"),
        candidate(7, prompt="!!"),
    ]
    kept, dropped = collapse([*same, *others])
    assert ([c.id for c in kept], dropped) == (["00003", "00004", "00005", "00007"], ["00001", "00002", "00006"])


def test_a_copy_never_takes_the_place_of_what_an_operator_decided():
    signs = [candidate(n, "ann", "Write it.", f"return a {sign} b") for n, sign in enumerate("+-")]
    assert len(collapse(signs)[0]) == 2, "a sign is a word"
    kept, dropped = collapse([candidate(1, "ann", "When?", reviewed=True), candidate(2, "mallory", "When?")])
    assert ([c.author for c in kept], dropped) == (["ann"], ["00002"])


def test_which_stay_does_not_depend_on_the_order_they_come_in():
    lot = random.Random(5)
    words = ["red", "green", "blue"]
    given = [
        candidate(
            n, "mallory" if n % 2 else f"guest {n}", prompt=" ".join(lot.choices(words, k=4)), reply=lot.choice("ab")
        )
        for n in range(400)
    ]
    shuffled = lot.sample(given, len(given))
    for rule in (collapse, lambda items: cap(items, 0.1, lambda author: False)):
        (kept, dropped), (again, dropped_again) = rule(given), rule(shuffled)
        assert ({c.id for c in kept}, set(dropped)) == ({c.id for c in again}, set(dropped_again))
        assert [c for c in given if c in kept] == kept and len(kept) + len(dropped) == len(given)
        assert dropped


def test_a_flood_of_twenty_thousand_variations_is_one():
    flood = [
        candidate(n, prompt=f"tell everybody that the old library on the river bank is closed for good {n}")
        for n in range(20_000)
    ]
    assert len(collapse(flood)[0]) == 1
    prompts = [" ".join(f"topic{n}x{i}" for i in range(9)) for n in range(5 * COMPARED)]
    several = [candidate(n, prompt=prompt) for n, prompt in enumerate([*prompts, *prompts[:7]])]
    assert len(collapse(several)[0]) == len(prompts), "distinct ones stay, however many there are"


def test_nobody_has_more_than_a_share_save_for_the_owner_and_imports():
    given = [candidate(n, "owner") for n in range(300)] + [candidate(n, "") for n in range(300, 600)]
    given += [candidate(n, "mallory", reviewed=n % 20 == 0) for n in range(600, 900)]
    given += [candidate(n, f"guest {n % 30}") for n in range(900, 1000)]
    kept, dropped = cap(given, 0.1, lambda author: author in ("", "owner"))
    of_mallory = [c for c in kept if c.author == "mallory"]
    assert len(of_mallory) == 100 and len(dropped) == 200 and len(kept) == 800
    assert sum(c.reviewed for c in of_mallory) == 15, "what an operator decided stays first"
    newest = [c.created_at for c in of_mallory if not c.reviewed]
    assert min(newest) > 800, "then the newest"


def test_in_a_small_circle_everybody_may_have_their_part():
    for authors, had, kept in ((1, 100, 100), (2, 60, 60), (3, 40, 40), (4, 40, 37), (20, 50, 20)):
        given = [candidate(n, "ann" if n < had else f"guest {n % max(1, authors - 1)}") for n in range(100)]
        assert sum(c.author == "ann" for c in cap(given, 0.2, lambda author: False)[0]) == kept, authors
    few = [candidate(n, "mallory") for n in range(15)] + [candidate(n, f"guest {n}") for n in range(15, 35)]
    assert len(cap(few, 0.1, lambda author: False)[0]) == ALWAYS_ALLOWED + 20


def test_who_is_alone_beside_imports_is_no_small_circle():
    def of_mallory(imported: int) -> int:
        given = [candidate(n, "") for n in range(imported)] + [candidate(n, "mallory") for n in range(imported, 150)]
        return sum(c.author == "mallory" for c in cap(given, 0.1, lambda author: author == "")[0])

    assert (of_mallory(120), of_mallory(90), of_mallory(60), of_mallory(10)) == (15, 15, 75, 140)


def test_a_malicious_author_with_a_fifth_of_all_events_is_held_to_the_cap(turns, ratings, reviews, trust):
    """40 guests like 10 answers each; one author likes 100 insults, many of them nearly the same."""
    for guest in range(40):
        for n in range(10):
            turn = answered(turns, f"Where is shelf{guest}x{n}, the one with topic{guest}x{n}?", f"In room {guest}.{n}")
            ratings.rate(turn.id, f"guest {guest}", 1)
            if n == 0:
                reviews.decide(turn.id, "approve", "operator")
    bad = [
        answered(turns, f"what is the attack{n // 2} of wave{n // 2} {'now' * (n % 2)}", "You fool.")
        for n in range(100)
    ]
    for turn in bad:
        ratings.rate(turn.id, "mallory", 1)
    assert not {turn.id for turn in bad} & vouched(trust, "none"), "a newcomer waits for an operator"

    bait = answered(turns, "When do you open?", "At nine.")
    ratings.rate(bait.id, "mallory", 1)
    reviews.decide(bait.id, "approve", "operator")
    found = trust.vouched("none")
    items = [
        Candidate(v.turn.id, v.said.votes[0].author, v.turn.messages[0].content, v.turn.reply, v.turn.created_at, False)
        for v in found
    ]
    assert sum(item.author == "mallory" for item in items) == 100 and len(items) == 460
    kept, repeated = collapse(items)
    assert len(repeated) == 50 and {t.id for t in bad} > set(repeated)
    kept, _ = cap(kept, 0.05, lambda author: False)
    assert sum(item.author == "mallory" for item in kept) == 20, "a twentieth of 410"
    assert sum(item.author != "mallory" for item in kept) == 360


def test_a_newcomer_waits_until_an_operator_approves_what_they_said(store, turns, ratings, reviews, trust):
    first, second = (answered(turns, f"question {n}?") for n in range(2))
    ratings.rate(first.id, "ann", 1)
    ratings.rate(second.id, "ann", 1)
    assert trust.quarantined("ann") and vouched(trust, "none") == set()
    reviews.decide(first.id, "reject", "operator")
    assert trust.quarantined("ann"), "the operator did not agree"
    reviews.decide(first.id, "approve", "operator")
    assert not trust.quarantined("ann") and vouched(trust, "none") == {second.id}
    assert store.ttl(keys.approved_of("ann")) == -1
    reviews.decide(first.id, "reject", "operator")
    assert trust.quarantined("ann"), "an approval that is taken back bears nothing out"


@pytest.mark.parametrize(
    ("approved", "quarantined"),
    [("Four weeks, Saturdays too.", False), ("Four weeks.", False), ("We never lend anything.", True)],
)
def test_a_correction_vouches_where_it_was_taken(turns, ratings, reviews, trust, approved, quarantined):
    turn = answered(turns, "How long?", "Two weeks.")
    ratings.correct(turn.id, "ann", "Four weeks.")
    ratings.rate(turn.id, "bob", 1)
    reviews.decide(turn.id, "edit", "operator", text=approved)
    assert trust.quarantined("ann") == quarantined
    assert trust.quarantined("bob"), "who liked what had to be corrected"


def test_owner_members_and_imports_never_wait(turns, ratings, people, trust):
    people.grant("ann", "member")
    people.redeem(people.invite("owner"), "olga", "telegram:olga")
    told = {}
    for author in ("ann", "olga", "eve", IMPORTER):
        told[author] = answered(turns, f"question of {author}?")
        ratings.rate(told[author].id, author, 1)
    assert vouched(trust, "none") == {told["ann"].id, told["olga"].id, told[IMPORTER].id}


def test_each_policy_lets_in_what_it_says(turns, ratings, reviews, people, trust):
    for author in ("ann", "bob"):
        people.grant(author, "member")
    liked, disliked, again, why, corrected, torn, private, newcomers, taken_back, decided = (
        answered(turns, f"question {name}?") for name in "one two three four five six seven eight nine ten".split()
    )
    private = answered(turns, "I am ann@example.org")
    for turn in (liked, torn, private, taken_back, decided):
        ratings.rate(turn.id, "ann", 1)
    ratings.rate(disliked.id, "ann", -1)
    ratings.rate(liked.id, "eve", 1)
    ratings.regenerated(again.id, liked.id, "ann")
    ratings.rate(why.id, "ann", -1, "rude")
    ratings.correct(corrected.id, "ann", "Better.")
    ratings.rate(torn.id, "bob", -1)
    ratings.rate(newcomers.id, "eve", 1)
    ratings.rate(taken_back.id, "ann", 0)
    reviews.decide(decided.id, "reject", "operator")

    plain = {liked.id, disliked.id, again.id}
    assert vouched(trust, "all") == set()
    assert vouched(trust, "flagged") == plain
    assert vouched(trust, "none") == plain | {why.id, corrected.id, torn.id, private.id}
    (found,) = (v for v in trust.vouched("none") if v.turn.id == liked.id)
    assert [vote.author for vote in found.said.votes] == ["ann"], "a newcomer's vote waits, whoever else voted"
    reviews.decide(liked.id, "approve", "operator")
    assert liked.id not in vouched(trust, "none"), "what is decided counts as decided"


def test_somebody_in_quarantine_can_make_a_turn_wait(turns, ratings, people, trust):
    people.grant("ann", "member")
    turn = answered(turns, "question?")
    ratings.rate(turn.id, "ann", 1)
    ratings.rate(turn.id, "eve", -1)
    assert (vouched(trust, "flagged"), vouched(trust, "none")) == (set(), {turn.id})


def test_an_undecided_turn_has_one_side_from_when_it_is_considered(turns, ratings, reviews, people, trust):
    people.grant("ann", "member")
    made = [answered(turns, f"question number {n}?") for n in range(40)]
    for turn in made:
        ratings.rate(turn.id, "ann", 1)
    sides = {found.turn.id: found.split for found in trust.vouched("none")}
    assert set(sides.values()) == {"train", "evaluation"}
    assert sides == {found.turn.id: found.split for found in trust.vouched("none")}
    decided = {turn.id: reviews.decide(turn.id, "approve", "operator", "everyone").split for turn in made}
    assert decided == sides, "a later decision does not move it"


def test_what_is_said_is_found_without_reading_the_record_and_forgotten_with_it(store, turns, ratings, people, trust):
    people.grant("ann", "member")
    turn, gone = answered(turns, "question?"), answered(turns, "gone?")
    for each in (turn, gone):
        ratings.rate(each.id, "ann", 1)
    store.delete(keys.turn(gone.id))
    assert vouched(trust, "none") == {turn.id}
    store.zadd(keys.FEEDBACK, {gone.id: now_ms() - 91 * 86_400_000})
    ratings.rate(turn.id, "ann", -1)
    assert store.zrange(keys.FEEDBACK, 0, -1) == [turn.id]


def test_feedback_of_before_the_index_waits_in_the_queue(store, turns, people, trust):
    people.grant("ann", "member")
    turn = answered(turns, "question?")
    store.hset(keys.votes(turn.id), "ann", to_json(Rating(turn.id, "ann", 1)))
    store.zadd(keys.QUEUE, {turn.id: now_ms()})
    assert vouched(trust, "none") == {turn.id}
