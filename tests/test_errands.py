"""What operators at the console have the bot say, in the record alone, where no bot lives beside it and says it."""

from core import keys
from core.records import AT_CONSOLE, Errand, Handover, Holder, new_id, now_ms
from feedback.errands import Errands, has_left
from feedback.leases import LEASE_S, Leases
from feedback.people import Person


def errand(author: str = "ann", text: str = "") -> Errand:
    handover = Handover(new_id()[:16], "c", author, "telegram:42", 7, created_at=now_ms())
    return Errand(new_id(), handover, "answer", text)


def test_errands_wait_in_their_order_until_they_are_done(store):
    errands = Errands(store)
    one, two = errand(text="One."), errand(text="Two.")
    assert errands.next() is None
    for each in (one, two):
        errands.ask(each)
    assert errands.next() == errands.next() == one
    errands.done(one)
    errands.done(one)
    assert errands.next() == two
    errands.done(two)
    assert list(store.scan_iter()) == []


def test_one_bot_is_about_a_thing_and_another_goes_on_from_where_it_died(store):
    first, second = Leases(store), Leases(store)
    assert first.take("x") == {} and second.take("x") is None and second.take("y") == {}
    assert 0 < store.ttl(keys.lease("x")) <= LEASE_S
    first.note("x", {"sent": "7"})
    store.expire(keys.lease("x"), 1)
    second.renew("x")
    second.end("x")
    assert store.ttl(keys.lease("x")) <= 1, "it is another's"
    first.renew("x")
    assert store.ttl(keys.lease("x")) > 1 and second.take("x") is None
    store.delete(keys.lease("x"))
    assert second.take("x") == {"sent": "7"}, "of a bot that died"
    first.end("x")
    assert first.take("x") is None, "it is another's by now"
    second.done("x")
    second.end("x")
    assert first.take("x") == {}


def test_nothing_is_said_to_who_was_forgotten(store):
    errands = Errands(store)
    theirs, others = errand(), errand("bob")
    for each in (theirs, others):
        errands.ask(each)
    with store.pipeline() as pipe:
        errands.forget(pipe, "ann")
        pipe.execute()
    assert errands.next() == others


def test_who_sits_at_the_console_is_not_written_to():
    assert Holder("x", f"{AT_CONSOLE}ann", "ann").at_console and not Holder("x", "telegram:42", "Ann").at_console


def test_who_is_banned_or_has_lost_access_has_left():
    handover = errand().handover
    member, nobody = Person("member", "ask", 0, True), Person(None, "ask", 0, True)
    assert not has_left(member, handover, ()) and not has_left(nobody, handover, (42,))
    assert has_left(nobody, handover, (43,)) and has_left(Person("member", "ask", 0, True, True), handover, (42,))
