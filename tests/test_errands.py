"""What operators at the console have the bot say, in the record alone, where no bot lives beside it and says it."""

from core import keys
from core.records import AT_CONSOLE, Errand, Handover, Holder, new_id, now_ms
from feedback.errands import Errands, has_left
from feedback.people import Person


def errand(author: str = "ann", text: str = "") -> Errand:
    handover = Handover(new_id()[:16], "c", author, "telegram:42", 7, created_at=now_ms())
    return Errand(new_id(), handover, "answer", text)


def test_one_bot_is_about_an_errand_and_the_next_waits_for_it(store):
    first, second = Errands(store), Errands(store)
    one, two = errand(text="One."), errand(text="Two.")
    assert first.claim() is None and not store.exists(keys.ERRANDS_CLAIM)
    for each in (one, two):
        first.ask(each)
    assert first.claim() == one and second.claim() is None
    assert 0 < store.ttl(keys.ERRANDS_CLAIM) <= 60
    first.give_back()
    assert second.claim() == one
    store.delete(keys.ERRANDS_CLAIM)
    assert first.claim() == one, "of a bot that died"
    second.done(one)
    assert store.llen(keys.ERRANDS) == 2, "it is another's by now"
    first.done(one)
    assert second.claim() == two
    second.done(two)
    assert list(store.scan_iter()) == []


def test_nothing_is_said_to_who_was_forgotten(store):
    errands = Errands(store)
    theirs, others = errand(), errand("bob")
    for each in (theirs, others):
        errands.ask(each)
    with store.pipeline() as pipe:
        errands.forget(pipe, "ann")
        pipe.execute()
    assert errands.claim() == others


def test_who_sits_at_the_console_is_not_written_to():
    assert Holder("x", f"{AT_CONSOLE}ann", "ann").at_console and not Holder("x", "telegram:42", "Ann").at_console


def test_who_is_banned_or_has_lost_access_has_left():
    handover = errand().handover
    member, nobody = Person("member", "ask", 0, True), Person(None, "ask", 0, True)
    assert not has_left(member, handover, ()) and not has_left(nobody, handover, (42,))
    assert has_left(nobody, handover, (43,)) and has_left(Person("member", "ask", 0, True, True), handover, (42,))
