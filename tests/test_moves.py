"""An operator decides about versions on the console's pages: what is confirmed is what was shown; the log says who."""

import re
from dataclasses import replace

import httpx
import pytest
from conftest import free_port
from test_console import console, opened
from test_console_accounts import joined
from test_versions import approve_all, publish, report

from console.accounts import Accounts
from core import keys
from core.records import BASE, Manifest, Message, SliceScore, Turn, now_ms
from core.settings import Settings
from feedback.audit import AuditLog
from feedback.curves import add_point
from feedback.progress import begin_progress, report_progress
from feedback.reviews import NewDecision
from feedback.wishes import refresh_wish, who_cancels
from tests.adapter_files import publish_peft
from workers.context import open_context
from workers.lock import RefreshLock

SEEN = re.compile(r'name="seen" value="([0-9a-f]{32})"')
FENCE = re.compile(r'name="fence" value="(\d+)"')


@pytest.fixture
def settings(valkey_url, tmp_path, store):
    return Settings(data_dir=tmp_path, redis_url=valkey_url, console_port=free_port())


@pytest.fixture
def context(settings):
    return open_context(settings)


@pytest.fixture
def page(settings):
    with console(settings) as address, opened(address) as page:
        yield page


def asked(page, path: str) -> tuple[str, str]:
    """What a confirmation says, and what it has seen."""
    shown = page.http.get(path)
    assert shown.status_code == 200, shown.text
    return shown.text, SEEN.search(shown.text)[1]


def confirm(page, path: str, **fields: str) -> str:
    """Read a confirmation and give it."""
    answer = page.send(path, seen=asked(page, path)[1], **fields)
    assert answer.status_code == 200, answer.text
    return answer.text


def newest(context) -> tuple[str, ...]:
    entry = AuditLog(context.store).page(count=1)[0]
    return entry.what, entry.subject, entry.who, entry.why


def test_a_version_is_promoted_and_taken_back(page, context):
    first, second = publish_peft(context.registry, 1), publish_peft(context.registry, 2)
    told, _ = asked(page, f"/adapters/{first}/promote")
    assert "Every chat is answered by" in told and "Now the base model is live" in told and "No gate has judged" in told
    assert f"{first[:12]} is live." in confirm(page, f"/adapters/{first}/promote")
    assert newest(context) == ("promote", first, "operator", "confirmed in the console")

    context.registry.heartbeat("r1", [BASE, first], {})
    assert "as soon as every serving process has it" in confirm(page, f"/adapters/{second}/promote")
    assert context.registry.route() == first and "incoming" in page.http.get("/adapters").text
    told, _ = asked(page, f"/adapters/{first}/promote")
    assert f"{second[:12]}, which is about to be live, stays a candidate" in told
    context.registry.heartbeat("r1", [BASE, first, second], {})
    assert context.registry.settle()

    told, _ = asked(page, "/adapters/rollback")
    assert f"Take {second[:12]} back?" in told and f"{first[:12]} is live again at once" in told
    assert f"{second[:12]} is taken back, and {first[:12]} is live." in confirm(page, "/adapters/rollback")
    assert (context.registry.route(), context.registry.get(second).status) == (first, "rejected")
    assert "It was rejected before." in asked(page, f"/adapters/{second}/promote")[0]
    shown = page.http.get(f"/adapters/{second}").text
    assert re.search(rf"live from .* to .*, in place of\s+<code>{first[:12]}</code>, by serving", shown)
    assert confirm(page, "/adapters/base/promote") and context.registry.route() == BASE


def test_a_version_is_tried_with_a_share_of_the_chats_and_taken_back(page, context):
    live, tried, other = (publish_peft(context.registry, n) for n in range(3))
    context.registry.promote(live, "gate", "")
    told, seen = asked(page, f"/adapters/{tried}/try")
    assert f"{live[:12]} answers the others" in told and "20 %" in told
    for share in ("", "0.3", "1e-1x", "nan"):
        assert "choose with how many" in page.send(f"/adapters/{tried}/try", seen=seen, share=share).text.lower()
    assert "is tried with 20% of the chats" in confirm(page, f"/adapters/{tried}/try", share="0.2")
    canary = context.registry.aliases().canary
    assert (canary.version, canary.share, canary.against) == (tried, 0.2, live)
    assert newest(context) == ("canary", tried, "operator", "confirmed in the console")
    assert "with 20 % of the chats" in page.http.get("/adapters").text

    assert "Change its share …" in page.http.get(f"/adapters/{tried}").text
    told, seen = asked(page, "/adapters/share")
    assert f"Now {tried[:12]} answers 20% of the chats" in told and f"back to {live[:12]}" in told
    assert "The trial goes on with what was counted so far" in told and '<option value="0.2">' not in told
    assert "is tried with 50% of the chats now" in confirm(page, "/adapters/share", share="0.5")
    assert newest(context) == ("canary share", tried, "operator", "from 20% to 50%. confirmed in the console")
    assert context.registry.aliases().canary.share == 0.5
    assert page.send("/adapters/share", seen=seen, share="0.1").status_code == 409, "it was another when that was shown"

    busy = page.http.get(f"/adapters/{other}/try")
    assert busy.status_code == 400 and "one version is tried at a time" in busy.text
    assert f"The trial of {tried[:12]} ends without a verdict" in asked(page, f"/adapters/{other}/promote")[0]
    assert "Its trial ends at once" in asked(page, "/adapters/rollback")[0]
    assert f"{tried[:12]} is taken back" in confirm(page, "/adapters/rollback")
    assert (context.registry.route(), context.registry.get(tried).status) == (live, "rejected")
    assert "tried with nobody" in page.http.get(f"/adapters/{tried}/try").text


def test_a_version_is_retired_for_good(page, context):
    live, spare = publish_peft(context.registry, 1), publish_peft(context.registry, 2)
    context.registry.promote(live, "gate", "")
    used = page.http.get(f"/adapters/{live}/retire")
    assert used.status_code == 400 and "promote another one first" in used.text
    assert "put away for good" in asked(page, f"/adapters/{spare}/retire")[0]
    assert f"{spare[:12]} is retired." in confirm(page, f"/adapters/{spare}/retire")
    assert newest(context) == ("retire", spare, "operator", "confirmed in the console")
    assert not context.registry.path(spare).exists()
    shown = page.http.get(f"/adapters/{spare}").text
    assert 'class="badge retired"' in shown and f"/adapters/{spare}/promote" not in shown
    for move in ("promote", "try", "retire"):
        again = page.http.get(f"/adapters/{spare}/{move}")
        assert again.status_code == 400 and "retired" in again.text


def test_nothing_happens_where_a_version_moved_between_the_question_and_the_answer(page, context):
    first, second = publish_peft(context.registry, 1), publish_peft(context.registry, 2)
    path = f"/adapters/{second}/promote"
    _, seen = asked(page, path)
    context.registry.promote(first, "gate", "it is better")
    moved = page.send(path, seen=seen)
    assert moved.status_code == 409 and "moved since this was shown, and nothing was done" in moved.text
    assert context.registry.route() == first and newest(context)[2] == "gate"

    _, seen = asked(page, path)
    context.registry.reject(second)
    assert page.send(path, seen=seen).status_code == 409, "it was no rejected version that was confirmed"
    _, seen = asked(page, path)
    for wrong in (page.send(path), page.send(path, seen="x"), page.send(f"/adapters/{first}/retire", seen=seen)):
        assert wrong.status_code == 409
    assert page.send(path, seen=seen).status_code == 200 and context.registry.route() == second


def test_who_only_looks_is_refused_every_act_and_sees_no_button(page, context):
    version, other = publish_peft(context.registry, 1), publish_peft(context.registry, 2)
    context.registry.promote(other, "gate", "")
    paths = [f"/adapters/{version}/{move}" for move in ("promote", "try", "retire")]
    paths += ["/adapters/rollback", "/adapters/share", "/refresh/now", "/refresh/cancel"]
    seen = [SEEN.search(page.http.get(path).text) for path in paths]
    address, accounts = str(page.http.base_url), Accounts(context.store)
    with (
        joined(address, accounts.invite("admin"), "ann") as ann,
        joined(address, accounts.invite("viewer"), "vi") as vi,
    ):
        before = context.registry.aliases(), AuditLog(context.store).page()
        for path, known in zip(paths, seen, strict=True):
            assert vi.http.get(path).status_code == 403
            refused = vi.send(path, seen=known[1] if known else "", share="0.5", fence="1")
            assert refused.status_code == 403 and "needs the role admin" in refused.text
        assert (context.registry.aliases(), AuditLog(context.store).page()) == before
        assert refresh_wish(context.store) is None
        for looked_at in ("/adapters", f"/adapters/{version}", "/refresh", "/refresh/state", "/refresh/outlook"):
            shown = vi.http.get(looked_at)
            assert shown.status_code == 200 and "…" not in shown.text, "a button that asks ends with an ellipsis"
        confirm(ann, f"/adapters/{version}/promote")
        assert newest(context) == ("promote", version, "ann", "confirmed in the console")


def test_a_marked_version_says_so_and_is_not_promoted(page, context):
    version = publish_peft(context.registry, 1)
    context.store.hset(keys.version(version), "marked", now_ms())
    assert "tainted" in page.http.get("/adapters").text
    for move in ("promote", "try"):
        refused = page.http.get(f"/adapters/{version}/{move}")
        assert refused.status_code == 400 and "was forgotten since" in refused.text
    assert "Retire" in page.http.get(f"/adapters/{version}").text


def test_a_running_refresh_is_watched_and_cancelled(page, context):
    assert "no refresh is running" in page.http.get("/refresh/cancel").text.lower()
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        begin_progress(context.store, "f" * 64)
        report_progress(context.store, "learning", 7, 300)
        for step in range(1, 8):
            add_point(context.store, "f" * 64, step, {"loss": 3 / step, "learning rate": 0.1})
        add_point(context.store, "f" * 64, 4, {"watched right": 0.25, "watched loss": 1.5, "divergence": 0.01})
        state = page.http.get("/refresh/state").text
        assert "A refresh is running: learning" in state and "step 7 of 300" in state and "<html" not in state
        assert 'aria-label="Loss of each batch: 3.000 at step 1, 0.429 at step 7"' in state and "now 25%" in state
        running = page.http.get("/refresh/now")
        assert page.send("/refresh/now").status_code == 400 and "Refresh now?" in running.text

        question = page.http.get("/refresh/cancel").text
        assert "no version is published" in question
        fence = FENCE.search(question)[1]
        assert page.send("/refresh/cancel", fence="x", run="").status_code == 400
        assert "ends at its next step" in page.send("/refresh/cancel", fence=fence, run="f" * 64).text
        assert newest(context) == ("refresh cancel", "f" * 64, "operator", "confirmed in the console")
        assert who_cancels(context.store, lock.fence) == "operator"
        assert "operator cancelled it" in page.http.get("/refresh/state").text
    late = page.send("/refresh/cancel", fence=fence, run="f" * 64)
    assert late.status_code == 400 and "has ended already" in late.text


def test_a_refresh_is_asked_for_and_the_page_says_what_it_would_contain(page, context):
    assert "Nothing yet" in page.http.get("/refresh/outlook").text
    rows = [
        Turn(f"{n:032x}", (Message("user", f"Question {n}?"),), reply="old", origin="import", status="complete")
        for n in range(30)
    ]
    context.turns.add_closed(rows)
    context.reviews.decide_many([NewDecision(t, "approve", "everyone", f"Yes, {t.id[-3:]}.") for t in rows], "ann")
    told = page.http.get("/refresh/outlook").text
    train, judged = map(int, re.search(r"(\d+) items to learn from, (\d+) to be judged on", told).groups())
    assert train + judged <= 30 and train > judged > 0 and "</html>" in told
    part = page.http.get("/refresh/outlook", headers={"hx-request": "true"}).text
    assert "items to learn from" in part and "</html>" not in part

    assert "30 of about 60 approved items" in page.http.get("/refresh").text
    assert "begins it within" in page.send("/refresh/now").text
    assert newest(context)[0::2] == ("refresh now", "operator")
    assert refresh_wish(context.store).who == "operator"
    assert "operator asked for a refresh" in page.http.get("/refresh").text
    assert "asked for already" in page.send("/refresh/now").text


def test_slices_are_drawn_over_time_and_said_in_words(page, context):
    approve_all(context)
    publish(context, replace(report(), created_at=1_760_000_000_000))
    later = "f" * 64
    better = SliceScore("new", 2, "token F1", 0.5, 0.9, 0.1, 0.7)
    publish(context, replace(report(), version=later, slices=(better,), created_at=1_760_000_100_000), later)
    shown = page.http.get("/adapters").text
    said = "new, token F1: cccccccc 0.312 before, 0.750 after; ffffffff 0.500 before, 0.900 after"
    assert f'role="img" aria-label="{said}"' in shown
    assert shown.count("<figure>") == 3, "new, older 1 and safety; the general slice has no prompts"
    assert "style=" not in shown and "<style" not in shown and len(shown) < 50_000


def test_many_versions_stand_on_several_light_pages(page, context):
    slices = tuple(
        SliceScore(name, 40, "token F1", 0.5, 0.6, -0.1, 0.3)
        for name in ("new", "thumbs", *(f"older {n}" for n in range(1, 9)), "general", "safety", "refusals", "format")
    )
    for number in range(25):
        version = f"{number:064x}"
        judged = replace(report(), version=version, slices=slices, created_at=number)
        manifest = Manifest(version, BASE, "m", "h", "r", "lora", 16, 8.0, (), created_at=number)
        context.registry.publish(context.registry.draft(version), manifest, judged)
        context.registry.promote(version, "ann", "")
        context.registry.promote(BASE, "ann", "")
    first, second = page.http.get("/adapters").text, page.http.get("/adapters?page=2").text
    assert (first.count('href="/adapters/0'), second.count('href="/adapters/0')) == (15, 10)
    assert "live 25 times, the last three" in first and "Older versions" in first and "Older versions" not in second
    assert len(first) < 150_000 and page.http.get("/adapters?page=x").text.count("<svg") == 14


def test_what_a_version_learned_from_can_be_read_as_far_as_it_is_for_everyone(page, context):
    turns = [
        Turn(f"{n:032x}", (Message("user", f"Where is <{n}>?"),), reply="old", status="complete", created_at=now_ms())
        for n in range(60)
    ]
    context.turns.add_closed(turns)
    context.reviews.decide_many([NewDecision(t, "edit", "everyone", f"There {t.id[-2:]}.") for t in turns], "ann")
    context.reviews.decide(turns[0].id, "edit", "ann", "chat", "Only here.")
    rated = Turn("e" * 32, (Message("user", "Rated?"),), reply="old", status="complete", created_at=now_ms())
    context.turns.add_closed([rated])
    version, sources = "c" * 64, (*(t.id for t in turns), rated.id, "d" * 32)
    how = {"learning_rate": 0.001, "steps": 300}
    manifest = Manifest(version, BASE, "m", "h", "r", "rslora", 16, 8.0, (), sources, (), "s" * 64, how)
    context.registry.publish(context.registry.draft(version), manifest)
    add_point(context.store, "s" * 64, 1, {"loss": 2.0})
    shown = page.http.get(f"/adapters/{version}").text
    assert "59 edited" in shown and "1 said by people" in shown and "2 that are no longer in the record" in shown
    assert "<dt>learning rate</dt><dd>0.001</dd>" in shown and "in the end 2.000" in shown
    first = page.http.get(f"/adapters/{version}/items/edited").text
    assert first.count("<article") == 50 and "Where is &lt;1&gt;?" in first and "Only here." not in first
    second = page.http.get(f"/adapters/{version}/items/edited?page=2").text
    assert second.count("<article") == 9 and "There 3b." in second
    assert "Rated?" in page.http.get(f"/adapters/{version}/items/said%20by%20people").text
    for nothing in ("gone", "approved", "x"):
        assert page.http.get(f"/adapters/{version}/items/{nothing}").status_code == 404


def test_the_database_away_is_one_sentence_on_every_page(settings):
    with console(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})) as address:
        for path in ("/refresh", "/refresh/outlook", "/adapters/rollback", "/adapters/abc/promote"):
            answer = httpx.get(address + path)
            assert answer.status_code == 503 and "database cannot be reached" in answer.text
