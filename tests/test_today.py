"""Today's page, over a real console: what waits, what others did, and what became of one's own decisions."""

import re

import pytest
from conftest import free_port

from console.accounts import Accounts
from console.visits import FIRST_MS, PAUSE_MS, Visits
from core import keys
from core.records import Handover, Holder, Manifest, Message, Turn, new_id, now_ms, to_json
from core.settings import Settings
from feedback.audit import AuditLog
from feedback.handovers import Handovers
from tests.test_console import console, opened
from tests.test_console_accounts import joined
from tests.test_health import text
from workers.context import open_context

OLD, NEW = "a" * 64, "b" * 64


@pytest.fixture(scope="module")
def settings(valkey_url, tmp_path_factory):
    return Settings(data_dir=tmp_path_factory.mktemp("today"), redis_url=valkey_url, console_port=free_port())


@pytest.fixture(scope="module")
def address(settings):
    with console(settings) as address:
        yield address


@pytest.fixture
def context(settings, store):
    return open_context(settings)


def decided(context, reviewer: str, asked: str, decision: str = "approve") -> str:
    """A turn that an operator decided about."""
    turn = Turn(id=new_id(), messages=(Message("user", asked),), reply="There.", status="complete", created_at=now_ms())
    context.turns.add_closed([turn])
    context.reviews.decide(turn.id, decision, reviewer, "everyone")
    return turn.id


def publish(store, version: str, sources: tuple[str, ...], was: str) -> None:
    """A version that learned from these turns and became live."""
    manifest = Manifest(version, "base", "m", "h", "p", "lora", 8, 8.0, ("q_proj",), sources, created_at=now_ms())
    store.hset(keys.version(version), "manifest", to_json(manifest))
    store.zadd(keys.VERSIONS, {version: manifest.created_at})
    store.hset(keys.ALIASES, "live", version)
    store.xadd(keys.REIGNS, {"live": version, "was": was, "who": "gate", "why": "it is better"})


def test_an_operator_sees_what_became_of_their_decisions_and_nobody_elses(address, context, store):
    accounts = Accounts(store)
    with (
        joined(address, accounts.invite("admin"), "ann") as ann,
        joined(address, accounts.invite("viewer"), "bob") as bob,
    ):
        old, new = (
            decided(context, "ann", "Where is the old harbour?"),
            decided(context, "ann", "Where is the <b>bridge?"),
        )
        wrong, hers = decided(context, "ann", "Who?", "reject"), decided(context, "eve", "Where is the mill?")
        publish(store, OLD, (old,), "base")
        publish(store, NEW, (old, new, wrong, hers), OLD)
        page = ann.open("/")
        seen = text(page)
        assert f"answers come from {NEW[:12]}" in seen
        assert f"2 in {NEW[:12]} live since" in seen and f"1 in {OLD[:12]} live since" in seen
        assert "approved Where is the &lt;b&gt;bridge?" in seen and "rejected Who?" in seen and "mill" not in seen
        assert seen.index("bridge") < seen.index("old harbour"), "the newest version comes first"
        assert f"{NEW[:12]} answers in place of {OLD[:12]} gate: it is better" in seen
        assert "None of yours" in text(bob.open("/"))


def test_a_newcomer_is_led_to_the_chat_and_who_has_nothing_to_do_as_well(address, context, store):
    with opened(address) as page:
        front = page.open("/")
        assert "Nobody has asked anything yet." in text(front)
        (button,) = re.findall('<a class="button" href="([^"]+)">', front.text)
        assert "What would you like to know?" in page.open(button).text
        chat, message = "c" * 16, (Message("user", "Hm?"),)
        context.turns.close(Turn(new_id(), message, chat=chat, reply="A.", status="complete", created_at=now_ms()))
        front = page.open("/")
        assert "Nothing waits for you." in text(front) and f'href="{button}">Chat' in front.text


def test_it_says_what_waits(address, context, store):
    turn = Turn(id=new_id(), messages=(Message("user", "Hm?"),), reply="A.", status="complete", created_at=now_ms())
    context.turns.add_closed([turn])
    context.ratings.rate(turn.id, "somebody", -1)
    handovers = Handovers(store, context.turns)
    for n in (1, 2):
        handovers.begin(Handover(str(n) * 16, f"chat {n}", "somebody", "telegram:42", 7, created_at=now_ms()))
    handovers.take("2" * 16, Holder("eve", "telegram:1", "Eve"))
    store.set(keys.REFRESH_DOMAIN, now_ms())
    with opened(address) as page:
        seen = text(page.open("/"))
    assert "Chat with the assistant" not in seen, "that is for who has nothing else to do"
    assert "answers that wait for review 1 the oldest for" in seen and "chats that wait for a person 1" in seen
    assert "due: the documents are to be learned" in seen and "answers come from base" in seen


def test_what_others_did_since_the_last_visit_is_told_until_the_visit_ends(address, context, store):
    audit, accounts = AuditLog(store), Accounts(store)
    with joined(address, accounts.invite("admin"), "ann") as ann:
        audit.note("eve", "ban", "somebody", "rude")
        audit.note("ann", "unban", "somebody")
        for _ in range(2):
            seen = text(ann.open("/"))
            assert "eve ban somebody rude" in seen and "ann unban" not in seen
        store.hincrby(keys.console_visit("ann"), "seen", -PAUSE_MS - 1000)
        store.delete(keys.AUDIT)
        entry = {"who": "eve", "what": "rename", "subject": "", "why": ""}
        store.xadd(keys.AUDIT, entry, id=f"{now_ms() - PAUSE_MS - 5000}-0")
        store.xadd(keys.AUDIT, entry | {"what": "promote"})
        seen = text(ann.open("/"))
        assert "eve promote" in seen and "eve rename" not in seen, "that was seen at the last visit"


def test_a_visit_goes_on_as_long_as_somebody_looks(store):
    visits, before = Visits(store), now_ms()
    first = visits.look("ann")
    assert before - FIRST_MS <= first <= now_ms() - FIRST_MS and visits.look("ann") == first
    store.hincrby(keys.console_visit("ann"), "seen", -PAUSE_MS - 1000)
    ended = int(store.hget(keys.console_visit("ann"), "seen"))
    assert visits.look("ann") == visits.look("ann") == ended
    assert visits.look("bob") > ended - FIRST_MS, "each operator has visits of their own"
    assert store.ttl(keys.console_visit("ann")) > 80 * 86_400
