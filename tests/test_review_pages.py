"""Review in the console over HTTP: operators' stories first, then what must be refused."""

import json
import re
from contextlib import ExitStack
from html import unescape

import pytest
from conftest import free_port
from test_backlog import apart  # noqa: F401
from test_console import Page, console
from test_console_accounts import PASSWORD, joined

from console.accounts import Accounts
from core import keys
from core.records import Message, Passage, Turn, new_id, now_ms
from core.settings import Settings
from feedback import opinions as second
from feedback.audit import AuditLog
from tests.waiting import until
from workers.context import open_context


@pytest.fixture(scope="module")
def settings(valkey_url, tmp_path_factory):
    data = tmp_path_factory.mktemp("review")
    return Settings(data_dir=data, redis_url=valkey_url, serving_port=free_port(), console_port=free_port())


@pytest.fixture(scope="module")
def address(settings):
    with console(settings) as address:
        yield address


@pytest.fixture
def context(store, settings):
    return open_context(settings)


@pytest.fixture
def people(address, context, store):
    """Gives operators an account and a browser, by name and role; there is an admin beside them."""
    accounts = Accounts(store)
    accounts.join(accounts.invite("admin"), "root", PASSWORD)
    with ExitStack() as open_pages:
        yield lambda name="ann", role="reviewer": open_pages.enter_context(joined(address, accounts.invite(role), name))


@pytest.fixture
def ann(people):
    return people()


def answered(context, question="When is it open?", reply="At nine.", rated=True, **fields) -> Turn:
    told = {"chat": "c", "author": "a" * 32, "created_at": now_ms()} | fields
    turn = Turn(new_id(), (Message("user", question, told["author"]),), reply=reply, status="complete", **told)
    context.turns.add_closed([turn])
    if rated:
        context.ratings.rate(turn.id, "b" * 32, -1)
    return turn


def look(page: Page, path: str, status: int = 200) -> str:
    shown = page.http.get(path, follow_redirects=True)
    assert shown.status_code == status, shown.text
    page.shown, page.at = shown.text, shown.url.path
    return unescape(shown.text)


def on(page: Page) -> str:
    """The turn whose page is shown."""
    return page.at.removeprefix("/review/")


def hidden(page: Page, name: str) -> str:
    return unescape(re.search(f'name="{name}" value="([^"]*)"', page.shown)[1])


def do(page: Page, what: str, **fields: str) -> str:
    """Press a button of the item that is shown, and follow."""
    seen = {"seen": hidden(page, "seen")} if what == "decide" else {}
    answer = page.send(f"/review/{on(page)}/{what}", **seen | fields)
    assert answer.status_code == 200, answer.text
    page.shown, page.at = answer.text, answer.url.path
    return unescape(answer.text)


def logged(context) -> set[tuple[str, str, str]]:
    """Who did what on what, by the audit log."""
    return {(entry.who, entry.what, entry.subject) for entry in AuditLog(context.store).page()}


# What operators do


def test_several_items_are_reviewed_one_after_the_other(ann, context):
    first, other, third, last = (answered(context, f"question{n} about{n}?", f"Answer {n}.") for n in range(4))
    context.ratings.correct(first.id, "b" * 32, "Corrected words.")
    assert "4 answers wait" in look(ann, "/review")
    shown = look(ann, "/review/next")
    assert on(ann) == first.id and "told what is wrong" in shown
    assert "<del>Answer 0.</del><ins>Corrected words.</ins>" in shown, "the difference"
    assert re.search(r"<textarea[^>]*>Corrected words\.</textarea>", shown), "the suggestion, to be edited"

    shown = do(ann, "decide", decision="approve", text="Corrected words.", scope="everyone")
    made = context.reviews.get(first.id)
    assert (made.decision, made.text, made.scope, made.reviewer) == ("edit", "Corrected words.", "everyone", "ann")
    assert on(ann) == other.id and "Approved for everyone" in shown and "3 waiting" in shown
    shown = do(ann, "decide", decision="approve", text="Answer 1,\r\nedited.")
    assert context.reviews.get(other.id).text == "Answer 1,\nedited." and "Approved for this chat" in shown
    do(ann, "decide", decision="reject", why="it is made up")
    made = context.reviews.get(third.id)
    assert (made.decision, made.why, made.scope) == ("reject", "it is made up", "chat")
    assert on(ann) == last.id
    assert "You skipped 1" in do(ann, "skip") and ann.at == "/review"
    again = ann.send("/review/again")
    assert again.url.path == f"/review/{last.id}"
    assert "made up" in look(ann, "/review/decided")


def test_the_last_decision_is_undone_and_the_answer_waits_where_it_waited(ann, context, store):
    first, other = answered(context, "alpha?"), answered(context, "beta?")
    before = store.zrange(keys.QUEUE, 0, -1, withscores=True)
    look(ann, "/review/next")
    do(ann, "decide", decision="reject")
    assert on(ann) == other.id
    undone = ann.send(f"/review/{first.id}/undo", made_at=hidden(ann, "made_at"))
    assert undone.url.path == f"/review/{first.id}"
    assert store.zrange(keys.QUEUE, 0, -1, withscores=True) == before and context.reviews.get(first.id) is None
    stale = ann.send(f"/review/{first.id}/undo", made_at="1")
    assert stale.status_code == 404 and "not in force any more" in stale.text
    done = [(entry.who, entry.what, entry.subject) for entry in AuditLog(store).page(count=2)]
    assert done[0][1] == "undo" and done[1][1] in ("approve", "reject") and done[0][2] == done[1][2]
    assert done[0][0] == done[1][0] == "ann"


def test_any_decision_can_be_undone_from_the_list_of_decisions(people, context):
    ann, bob = people("ann"), people("bob")
    older, newer = answered(context, "alpha?"), answered(context, "beta?")
    for turn in (older, newer):
        context.reviews.decide(turn.id, "approve", "ann", "everyone")
    shown = look(bob, "/review/decided")
    made_at = re.search(rf'/review/{older.id}/undo">.*?name="made_at" value="(\d+)"', shown, re.DOTALL)[1]
    bob.send(f"/review/{older.id}/undo", made_at=made_at)
    assert context.reviews.get(older.id) is None and context.reviews.get(newer.id)
    assert "1 answer waits" in look(ann, "/review") and ("bob", "undo", older.id) in logged(context)


def test_two_operators_at_once_get_different_items_until_one_leaves(people, context):
    ann, bob = people("ann"), people("bob")
    first, other = answered(context, "alpha?"), answered(context, "beta?")
    look(ann, "/review/next")
    look(bob, "/review/next")
    assert (on(ann), on(bob)) == (first.id, other.id)
    assert "another operator has it open" in look(bob, "/review")
    taken = look(bob, f"/review/{first.id}")
    assert "Another operator has this answer open" in taken and 'value="approve"' not in taken
    eve = people("eve")
    look(eve, "/review/next")
    assert eve.at == "/review", "others have all of it"
    lost = ann.send(f"/review/{other.id}/claim")
    assert lost.status_code == 400 and "open now" in lost.text
    assert ann.send(f"/review/{first.id}/claim").status_code == 204, "renewed"
    assert ann.send(f"/review/{first.id}/leave").status_code == 204
    look(eve, "/review/next")
    assert on(eve) == first.id
    refused = ann.send(f"/review/{first.id}/decide", decision="reject", seen="0:in turn")
    assert refused.status_code == 400 and context.reviews.get(first.id) is None


def test_next_leaves_an_item_and_comes_back_to_it_at_the_end(ann, context):
    first, other = answered(context, "alpha?"), answered(context, "beta?")
    look(ann, "/review/next")
    look(ann, f"/review/next?after={first.id}")
    assert on(ann) == other.id
    look(ann, f"/review/next?after={other.id}")
    assert on(ann) == first.id


def test_a_filter_leads_through_its_own_items_only(ann, context):
    wanted = [answered(context, f"ferry{n} and timetable{n}?") for n in range(2)]
    answered(context, "umbrella?")
    assert "2 answers wait here" in look(ann, "/review?text=FERRY")
    look(ann, "/review/next?text=FERRY&why=first+of+its+kind")
    assert on(ann) == wanted[0].id and hidden(ann, "filter") == "why=first+of+its+kind&text=FERRY"
    do(ann, "decide", decision="reject", why="no", filter=hidden(ann, "filter"))
    assert on(ann) == wanted[1].id, "the filter's own words are not the decision's"
    assert context.reviews.get(wanted[0].id).why == "no"
    do(ann, "decide", decision="approve", text="At ten.", filter=hidden(ann, "filter"))
    assert ann.at == "/review" and "Nothing waits here" in ann.shown and "Approved for this chat" in ann.shown


def test_what_was_said_meanwhile_is_looked_at_again(ann, context):
    turn = answered(context)
    look(ann, "/review/next")
    context.ratings.correct(turn.id, "b" * 32, "At ten.")
    answer = ann.send(
        f"/review/{turn.id}/decide", decision="approve", text="At nine, edited.", seen=hidden(ann, "seen")
    )
    assert answer.status_code == 400 and "meanwhile" in answer.text and context.reviews.get(turn.id) is None
    assert "At nine, edited." in answer.text and "<ins>ten.</ins>" in answer.text, "what was typed is not lost"


def test_a_draft_waits_for_its_operator_alone_and_goes_with_the_decision(people, context):
    ann, bob = people("ann"), people("bob")
    turn = answered(context)
    look(ann, "/review/next")
    assert ann.send(f"/review/{turn.id}/draft", text="Half an edit").status_code == 204
    assert "Half an edit" in look(ann, f"/review/{turn.id}")
    ann.send(f"/review/{turn.id}/leave")
    assert "Half an edit" not in look(bob, f"/review/{turn.id}")
    bob.send(f"/review/{turn.id}/leave")
    look(ann, f"/review/{turn.id}")
    do(ann, "decide", decision="approve", text="A whole edit.")
    assert "Half an edit" not in look(ann, f"/review/{turn.id}")


def test_tags_and_comments_are_for_all_operators(people, context):
    ann, bob = people("ann"), people("bob")
    turn = answered(context)
    ann.send(f"/review/{turn.id}/tag", tag="Opening")
    ann.send(f"/review/{turn.id}/comment", comment="ask the <b>library</b>")
    shown = bob.http.get(f"/review/{turn.id}").text
    assert "opening" in shown and "ask the &lt;b&gt;library&lt;/b&gt;" in shown
    assert "1 answer waits here" in look(bob, "/review?tag=opening")
    part = bob.http.post(f"/review/{turn.id}/untag", data={"tag": "opening"}, headers={"hx-request": "true"})
    assert "No tags." in part.text and "<html" not in part.text
    assert ann.send(f"/review/{turn.id}/tag", tag="two words").status_code == 400
    assert logged(context) >= {("ann", "tag", turn.id), ("ann", "comment", turn.id), ("bob", "untag", turn.id)}


def test_500_are_approved_at_once_and_undone_as_a_whole(ann, context, store):
    for n in range(505):
        answered(context, f"When does the {'ferry' if n < 500 else 'umbrella'} number {n} leave?", f"Answer {n}.")
    before = store.zrange(keys.QUEUE, 0, -1, withscores=True)
    assert "Decide 500 answers at once" in look(ann, "/review/bulk?text=ferry")
    fields = {"decision": "approve", "scope": "everyone", "filter": "text=ferry", "why": "checked"}
    shown = ann.send("/review/bulk", **fields)
    steps = 0
    while 'hx-trigger="load' in shown.text:
        batch = re.search(r"/review/bulk/([0-9a-f]{32})", shown.text)[1]
        shown = ann.send(f"/review/bulk/{batch}", **fields, total="500")
        steps += 1
    assert steps == 5 and "Decided: 500." in shown.text
    assert context.reviews.waiting() == 5 and context.reviews.count_for_everyone() == 500
    assert store.xrevrange(keys.AUDIT, count=1)[0][1]["what"] == "bulk approve"
    shown = ann.send(f"/review/bulk/{batch}/undo", total="500")
    while 'hx-trigger="load' in shown.text:
        shown = ann.send(f"/review/bulk/{batch}/undo", total="500", undoing="yes")
    assert "Undone" in shown.text and context.reviews.count_for_everyone() == 0
    assert store.zrange(keys.QUEUE, 0, -1, withscores=True) == before


def test_a_bulk_decision_leaves_alone_what_others_have_open(people, context):
    ann, bob = people("ann"), people("bob")
    first, other = answered(context, "alpha?"), answered(context, "beta?")
    look(bob, "/review/next")
    assert "Decide 1 answer at once" in look(ann, "/review/bulk") and "1 that other operators" in look(
        ann, "/review/bulk"
    )
    shown = ann.send("/review/bulk", decision="reject")
    batch = re.search(r"/review/bulk/([0-9a-f]{32})", shown.text)[1]
    ann.send(f"/review/bulk/{batch}", decision="reject", total="1")
    assert context.reviews.get(first.id) is None and context.reviews.get(other.id).decision == "reject"


def test_a_second_operator_judges_blind_and_the_agreement_is_shown(people, context, monkeypatch):
    monkeypatch.setattr(second, "SHARE", 1.0)
    ann, bob = people("ann"), people("bob")
    answered(context, "alpha?", "Alpha."), answered(context, "beta?", "Beta.")
    look(ann, "/review/next")
    do(ann, "decide", decision="approve", text="Alpha.")
    do(ann, "decide", decision="reject", why="made up")
    assert "nothing to give a second opinion on" in look(ann, "/review/second")
    for _ in range(2):
        shown = look(bob, "/review/second")
        assert "made up" not in shown and "Rejected" not in shown and "by ann" not in shown
        turn = re.search(r"/review/second/([0-9a-f]{32})", shown)[1]
        text = re.search(r"<textarea[^>]*>([^<]*)<", shown)[1]
        bob.send(f"/review/second/{turn}", decision="approve", text=text)
    assert "nothing to give" in look(bob, "/review/second")
    told = look(bob, "/review/decided")
    assert "both said the same of 1 (50 %)" in told and "κ 0.00" in told and "ann: rejected · bob: as suggested" in told
    assert ("bob", "second opinion", turn) in logged(context)


def test_any_filter_is_exported_as_jsonl(ann, context):
    parent = answered(context, "Hello?", "Hi.", rated=False)
    passage = Passage("p", "rules.md", "Rules", "Open at nine.")
    turn = answered(context, "When is the ferry?", parent=parent.id, passages=(passage,))
    context.ratings.correct(turn.id, "b" * 32, "At ten.")
    answered(context, "Something else?")
    rows = [json.loads(line) for line in ann.http.get("/review/export?text=ferry").iter_lines()]
    assert len(rows) == 1 and rows[0]["suggestion"] == "At ten." and rows[0]["why"] == "told what is wrong"
    assert [m["content"] for m in rows[0]["messages"]] == ["Hello?", "Hi.", "When is the ferry?"]
    assert "a" * 32 not in json.dumps(rows) and "b" * 32 not in json.dumps(rows), "nobody's pseudonym"
    assert len(list(ann.http.get("/review/export").iter_lines())) == 2
    done = [(entry.who, entry.what, entry.why) for entry in AuditLog(context.store).page(count=2)]
    assert done == [("ann", "export", "answers: 2"), ("ann", "export", "answers: 1")]


def test_the_conversation_and_the_passages_are_shown_and_nothing_in_them_is_markup(ann, context):
    parent = answered(context, "Hello <script>?", "Hi.", rated=False)
    passage = Passage("p", "rules.md", "Rules", "Open <img src=x> at nine.", 0.71, "chat")
    turn = answered(context, "When?", parent=parent.id, passages=(passage,))
    shown = ann.http.get(f"/review/{turn.id}").text
    assert "Hello &lt;script&gt;?" in shown and "Open &lt;img src=x&gt; at nine." in shown and "0.71" in shown
    assert "for this chat only" in shown, "it used the chat's own"
    look(ann, f"/review/{turn.id}")
    refused = ann.send(
        f"/review/{turn.id}/decide", decision="approve", text="x", scope="everyone", seen=hidden(ann, "seen")
    )
    assert refused.status_code == 400 and "this chat only" in refused.text


def test_a_viewer_sees_all_and_cannot_act(people, context):
    viewer, turn = people("vic", "viewer"), answered(context)
    for path in ("/review", f"/review/{turn.id}", "/review/decided"):
        shown = look(viewer, path)
        assert 'value="approve"' not in shown and "Undo" not in shown
    for path in ("/review/next", "/review/bulk", "/review/export", "/review/second", f"/review/{turn.id}/similar"):
        look(viewer, path, 403)
    acts = "decide skip claim leave draft tag untag comment undo amend similar".split()
    for path in [f"/review/{turn.id}/{act}" for act in acts] + [
        "/review/bulk",
        "/review/bulk/x",
        "/review/bulk/x/undo",
    ]:
        assert viewer.send(path, decision="reject", made_at="1").status_code == 403, path
    assert context.reviews.get(turn.id) is None and context.reviews.waiting() == 1


# What goes wrong


def test_what_cannot_be_done_is_one_sentence(ann, context):
    turn = answered(context)
    look(ann, f"/review/{turn.id}")
    seen = hidden(ann, "seen")
    for fields, words in (
        ({"decision": "approve", "text": "  "}, "cannot be empty"),
        ({"decision": "maybe"}, "the decision is missing"),
        ({}, "the decision is missing"),
    ):
        answer = ann.send(f"/review/{turn.id}/decide", seen=seen, **fields)
        assert answer.status_code == 400 and words in answer.text.lower()
    assert "is not a day" in look(ann, "/review?since=yesterday", 400)
    assert "there is no turn" in look(ann, "/review/0000", 404).lower()
    assert ann.send(f"/review/{turn.id}/undo").status_code == 400
    assert ann.send("/review/bulk", decision="edit me").status_code == 400
    away = ann.http.get(f"/review/{turn.id}/similar")
    assert away.status_code == 503 and "starting or busy" in away.text, "serving makes the vectors"
    assert context.reviews.get(turn.id) is None


def test_what_outlived_the_record_is_passed_over(ann, context, store):
    gone, here = answered(context, "alpha?"), answered(context, "beta?")
    store.delete(keys.turn(gone.id))
    look(ann, "/review/next")
    assert on(ann) == here.id and store.zscore(keys.QUEUE, gone.id) is None
    assert "1 answer waits" in look(ann, "/review")


@pytest.mark.parametrize("page", ["-1", "0", "x", "99999999999", "2"])
def test_a_page_that_is_none_is_the_nearest(ann, context, page):
    answered(context)
    assert "1 answer waits" in look(ann, f"/review?page={page}")


def test_a_list_of_many_is_turned_over(ann, context):
    for n in range(55):
        answered(context, f"question{n} about{n}?")
    first, last = look(ann, "/review"), look(ann, "/review?page=2")
    assert first.count("about") == 50 and last.count("about") == 5 and "2 of 2" in last
    assert len(first) < 100_000


def test_a_claim_is_given_back_when_the_lease_expires(people, context, store):
    ann, bob = people("ann"), people("bob")
    turn = answered(context)
    look(ann, "/review/next")
    store.hset(keys.CLAIMS, turn.id, f"{now_ms() + 200} ann")
    until(lambda: look(bob, "/review/next") and bob.at != "/review", "the lease expires")
    assert on(bob) == turn.id
