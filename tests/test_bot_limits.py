"""Who may use the bot and how much of it: links, lists, groups, limits and bans, on the wire; and inline mode."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

import apprentice
from core import keys
from core.errors import InvalidInput, NotFound
from core.records import now_ms
from core.settings import Settings
from feedback.budgets import DAY_MS, EVERYONE, Budgets
from feedback.people import People, _digest
from launch.up import as_environment
from tests.telegram_api import BOT, Person, buttons, units
from tests.telegram_world import a_world, ids
from tests.test_forget import everything
from tests.waiting import until
from tests.warm import LONG

ME, ALLOWED, OPEN_GROUP = f"@{BOT['username']}", 900, -900
LIMITS = {
    "telegram_minute_messages": 3,
    "telegram_day_messages": 5,
    "telegram_day_tokens": 100_000,
    "telegram_day_messages_all": 10_000,
}


@pytest.fixture(scope="module")
def world(valkey_url, base, tmp_path_factory):
    changes = LIMITS | {
        "telegram_allowed": f"{ALLOWED}, 901",
        "telegram_groups": str(OPEN_GROUP),
        "telegram_inline": True,
    }
    with a_world(valkey_url, base, tmp_path_factory.mktemp("limits"), **changes) as found:
        yield found


@pytest.fixture(scope="module")
def owner(world) -> Person:
    link = world.owner.send("/start " + world.bot.owner_code())
    world.owner.wait_text("pseudonym", link)
    return world.owner


def today(author: str) -> str:
    return keys.used(now_ms() // DAY_MS, author)


def minute(ago: int) -> int:
    """The beginning of a minute that is over."""
    return int(time.time()) // 60 * 60 - 60 * ago


# --- who may use it ---


def test_a_link_lets_so_many_people_in_until_it_is_withdrawn(world, owner):
    offered = owner.wait_text("Whoever opens this link", owner.send("/invite 2 7"))
    link = offered["text"].splitlines()[0]
    code = link.removeprefix(f"https://t.me/{BOT['username']}?start=")
    assert 6 * 86_400 < world.context.store.ttl(keys.invite(_digest(code))) <= 7 * 86_400
    ann, bob, eve = world.stranger(), world.stranger("Bob"), world.stranger("Eve")
    for person, said in ((ann, "You may use"), (ann, "You may use"), (owner, "yours"), (bob, "You may use")):
        person.wait_text(said, person.send(f"/start {code}"))
    eve.wait_text("does not work", eve.send(f"/start {code}"))
    roles = [world.context.people.person(world.author(each)).role for each in (ann, bob, eve, owner)]
    assert roles == ["member", "member", None, "owner"]
    assert bob.wait_answer(bob.send("script:short"))["text"] == "It is scripted."

    offered = owner.wait_text("people: 1, days: 1", owner.send("/invite"))
    assert owner.press(offered, "Withdraw")["text"] == "This link was withdrawn."
    code = offered["text"].splitlines()[0].partition("start=")[2]
    eve.wait_text("does not work", eve.send(f"/start {code}"))
    for wrong in ("/invite 0 1", "/invite 1001 1", "/invite 1 366", "/invite many"):
        owner.wait_text("1000 at most", owner.send(wrong))
    ann.wait_text("do not know this command", ann.send("/invite"))
    offered = owner.wait_text("people: 3", owner.send("/invite 3 1"))
    world.api.messages[ann.id, offered["message_id"]] = offered | {"chat": {"id": ann.id, "type": "private"}}
    assert ann.press(offered, "Withdraw")["text"] == "This button does not work any more."


def test_who_is_on_the_list_may_use_it_unasked_and_has_no_role(world):
    ann = Person(world.api, ALLOWED)
    answer = ann.wait_answer(ann.send("script:short"))
    assert world.turn(answer).author == world.author(ann) and ann.wait_text("May I learn from your words?")
    assert world.context.people.person(world.author(ann)).role is None


def test_a_group_that_may_use_it_is_answered_and_others_are_told_once(world):
    eve, ann = world.stranger("Eve"), world.member()
    eve.group = ann.group = OPEN_GROUP
    before = world.context.store.zcard(keys.updates_seen(BOT["id"]))
    eve.send("script:short said to nobody")
    answer = eve.wait_answer(eve.send(f"{ME} script:short said to the bot"))
    turn = world.turn(answer)
    assert (turn.messages[-1].content, turn.author) == ("script:short said to the bot", world.author(eve))
    assert "Noted" in eve.press(answer, "👍")["text"]
    assert world.context.store.zcard(keys.updates_seen(BOT["id"])) == before + 2, "only what is said to the bot is kept"
    eve.group = None
    eve.wait_text("This bot is private", eve.send("script:short"))

    eve.group = ann.group = -next(ids)
    first = ann.wait_text("not meant for this group", ann.send(f"{ME} script:short"))
    assert str(ann.group) in first["text"]
    eve.send(f"{ME} script:short")
    ann.send(f"/help{ME}")
    ann.group = None
    ann.wait_text("/sources", ann.send("/help"))
    ann.group = eve.group
    assert [m["message_id"] for m in ann.seen()] == [first["message_id"]]


# --- how much of it ---


def test_who_writes_too_fast_hears_so_once_in_a_minute(world):
    ann = world.member()
    sent = [ann.send(f"script:short {n}", date=minute(2)) for n in range(7)]
    ann.send("script:short later", date=minute(1))
    until(lambda: len([m for m in ann.seen() if "👍" in buttons(m)]) == 4, "three of them, and the later one")
    said = [m for m in ann.seen() if m["message_id"] > sent[0]["message_id"]]
    assert [m["text"] for m in said if "👍" in buttons(m)] == ["It is scripted."] * 4
    (told,) = [m for m in said if "👍" not in buttons(m)]
    assert (
        told["text"].startswith("You write faster") and told["reply_to_message"]["message_id"] == sent[3]["message_id"]
    )
    assert world.context.store.hget(today(world.author(ann)), "messages") == "4"


def test_beyond_a_days_questions_one_sentence_says_when_they_are_answered_again(world, owner):
    ann, bob = world.member(), world.member("Bob")
    asked = ann.send("script:short 1", date=minute(5))
    answer = ann.wait_answer(asked)
    ann.press(answer, "🔄")
    second = ann.wait_answer(answer)
    for n in (3, 4, 5):
        last = ann.send(f"script:short {n}", date=minute(n))
        second = ann.wait_answer(last)
    turns = world.context.store.zcard(keys.RECENT_TURNS)
    refused = ann.send("script:short the sixth", date=minute(2))
    told = ann.wait_text("Today's limit of 5 questions is used up", refused)
    assert "after 00:00 UTC, in " in told["text"] and told["reply_to_message"]["message_id"] == refused["message_id"]
    ann.edit(asked | {"date": minute(2)}, "script:short edited")
    ann.wait_text("Today's limit", told)
    assert ann.press(second, "🔄")["text"]
    until(lambda: len([m for m in ann.seen() if "Today's limit" in m["text"]]) == 3, "each refusal is said")
    assert world.now(answer)["text"] == "It is scripted.", "an answer stays where its question's edit is refused"
    assert ann.press(second, "👍")["text"] and ann.wait_text("/sources", ann.send("/help")), "all else goes on"
    bob.wait_answer(bob.send("script:short", date=minute(1)))
    assert world.context.store.zcard(keys.RECENT_TURNS) == turns + 1, "what is refused is stored nowhere"
    for n in range(7):
        owner.send(f"script:short {n}", date=minute(1))
    until(lambda: len([m for m in owner.seen() if "👍" in buttons(m)]) >= 7, "the owner has no limits")

    world.context.store.delete(today(world.author(ann)))
    ann.wait_answer(ann.send("script:short on another day", date=minute(6)))


def test_tokens_are_counted_and_limited_and_so_is_what_all_use(world, owner):
    ann = world.member()
    turn = world.turn(ann.wait_answer(ann.send("script:short", date=minute(4))))
    mine = today(world.author(ann))
    used = int(until(lambda: world.context.store.hget(mine, "tokens"), "tokens"))
    assert turn.reply_tokens < used < turn.reply_tokens + 200, "what was read counts as well"
    endless = ann.send("script:endless", date=minute(3))
    ann.wait_text("word3", endless)
    waiting = ann.send("script:short and this one waited", date=minute(3))
    ann.send("/stop")
    ann.wait_text("Stopped before I said anything", waiting)
    stopped = world.turn(ann.wait_answer(endless))
    until(
        lambda: int(world.context.store.hget(mine, "tokens")) == used + stopped.reply_tokens, "what was written counts"
    )
    assert stopped.reply_tokens > 3

    shown = ann.wait_text("Today (UTC): questions 2 / 5", ann.send("/usage"))["text"]
    assert f"tokens {used + stopped.reply_tokens} / 100000" in shown and "All together" not in shown
    shown = owner.wait_text("All together", owner.send("/usage"))["text"]
    assert f"{world.author(ann)}: questions 2, tokens {used + stopped.reply_tokens}" in shown

    world.context.store.hset(mine, "tokens", 100_000)
    ann.wait_text("Today's limit of 100,000 tokens", ann.send("script:short", date=minute(2)))
    together, before = today(EVERYONE), world.context.store.hget(today(EVERYONE), "messages")
    world.context.store.hset(together, "messages", 10_000)
    bob = world.member("Bob")
    bob.wait_text("for all people together, is used up", bob.send("script:short", date=minute(1)))
    owner.wait_answer(owner.send("script:short"))
    world.context.store.hset(together, "messages", before)
    bob.wait_answer(bob.send("script:short", date=minute(1)))


# --- bans ---


def test_who_is_banned_is_told_once_and_nothing_of_theirs_is_stored(world, owner):
    eve = world.member("Eve")
    answer = eve.wait_answer(eve.send("script:short", date=minute(3)))
    owner.wait_text("is banned", owner.send(f"/ban {eve.id}"))
    refused = eve.send("script:short xylophone")
    told = eve.wait_text("may not use this bot any more", refused)
    eve.send("/help")
    eve.edit(refused, "script:short quagmire")
    data = next(b["callback_data"] for row in answer["reply_markup"]["inline_keyboard"] for b in row)
    with pytest.raises(AssertionError, match="not seen"):
        press_briefly(eve, answer, data)
    eve.react(answer, "👍")
    eve.group = OPEN_GROUP
    eve.send(f"{ME} script:short marzipan")
    owner.wait_text("/sources", owner.send("/help"))
    assert len([m for m in world.api.chat(eve.id) if m["message_id"] > told["message_id"]]) == 1, "only what she wrote"
    kept = everything(world.context.store)
    assert not [word for word in ("xylophone", "quagmire", "marzipan") if word in kept]
    assert world.context.ratings.votes(world.turn(answer).id) == []

    owner.wait_text("not banned any more", owner.send(f"/unban {eve.id}"))
    owner.wait_text("They are not banned", owner.send(f"/unban {eve.id}"))
    eve.group = None
    eve.wait_answer(eve.send("script:short", date=minute(1)))


def press_briefly(person: Person, message: dict, data: str) -> None:
    press = str(person.api.new_id())
    person.api.answers[press] = {}
    carrying = person.api.messages[person.id, message["message_id"]]
    person.api.push(
        callback_query={"id": press, "from": person.user, "chat_instance": "1", "data": data, "message": carrying}
    )
    until(lambda: person.api.answers[press], "an answer to the button", 1.5)


def test_only_operators_ban_and_never_the_owner(world, owner):
    ann, eve = world.member(), world.member("Eve")
    ann.wait_text("do not know this command", ann.send(f"/ban {eve.id}"))
    owner.wait_text("cannot be banned", owner.send(f"/ban {owner.id}"))
    for wrong in ("/ban", "/ban @eve", "/unban"):
        owner.wait_text("Reply to one of their messages", owner.send(wrong))
    owner.group = eve.group = OPEN_GROUP
    said = eve.send("nonsense")
    owner.wait_text(f"{eve.id} is banned", owner.send(f"/ban{ME}", reply_to=said))
    owner.group = None
    assert world.context.people.person(world.author(eve)).banned
    origin = {"type": "user", "sender_user": ann.user, "date": 1}
    passed_on = owner.send("look at this", forward_origin=origin, date=1)
    owner.wait_text(f"{ann.id} is banned", owner.send("/ban", reply_to=passed_on))
    owner.wait_text("not banned any more", owner.send(f"/unban {world.author(ann)}"))


def test_people_are_listed_and_banned_from_the_command_line(world, monkeypatch):
    ann = world.member()
    ann.wait_answer(ann.send("script:short"))
    for name, value in as_environment(world.settings).items():
        monkeypatch.setenv(name, value)
    run = CliRunner()
    line = next(
        one for one in run.invoke(apprentice.app, ["people", "list"]).output.splitlines() if world.author(ann) in one
    )
    assert "member" in line and "today: 1 questions" in line
    assert "is banned" in run.invoke(apprentice.app, ["people", "ban", str(ann.id)]).output
    ann.wait_text("may not use this bot any more", ann.send("hello"))
    assert '"banned": true' in run.invoke(apprentice.app, ["people", "list", "--json"]).output
    assert "not banned any more" in run.invoke(apprentice.app, ["people", "unban", world.author(ann)]).output
    assert isinstance(run.invoke(apprentice.app, ["people", "unban", str(ann.id)]).exception, NotFound)
    owner = run.invoke(apprentice.app, ["people", "ban", str(world.owner.id)])
    assert isinstance(owner.exception, InvalidInput)


# --- inline mode ---


def test_a_member_asks_in_any_chat_and_chooses_the_answer(world):
    ann = world.member()
    before = ann.wait_answer(ann.send("script:short before"))
    taken = world.context.store.zcard(keys.updates_seen(BOT["id"]))
    for written in ("s", "script:mark", "script:markdown what is it"):
        ann.write_inline(written)
    (offered,) = ann.ask_inline("script:markdown what is it?")["results"]
    content = offered["input_message_content"]
    assert content["message_text"] == "Use code:\n\nx = 1" and offered["title"] == "script:markdown what is it?"
    assert [e["type"] for e in content["entities"]] == ["bold", "pre"]
    assert world.context.store.zcard(keys.updates_seen(BOT["id"])) == taken + 1, "what is not complete is not kept"
    head = world.context.turns.head(world.chat(ann), "inline")
    turn = world.context.turns.get(head)
    assert (turn.author, turn.parent, turn.status) == (world.author(ann), None, "complete")
    assert world.context.turns.head(world.chat(ann)) == world.turn(before).id, "their own chat goes on where it was"
    until(lambda: world.context.store.hget(today(world.author(ann)), "messages") == "2", "it counts")


def test_an_inline_answer_comes_in_time_or_not_at_all(world):
    ann = world.member()
    (offered,) = ann.ask_inline("script:steady?")["results"]
    text = offered["input_message_content"]["message_text"]
    assert text.startswith("word0 word1") and len(ann.seen()) == 0
    (cut,) = ann.ask_inline("script:endless?")["results"]
    assert cut["input_message_content"]["message_text"].endswith(" …")
    (long,) = world.member("Bob").ask_inline("script:long?")["results"]
    text = long["input_message_content"]["message_text"]
    assert LONG.startswith(text.removesuffix(" …")) and text.endswith(" …") and 2048 < units(text) <= 4096
    assert ann.ask_inline("script:broken?")["button"] == "I cannot answer just now; please try again"
    world.context.store.hset(today(world.author(ann)), "messages", 5)
    assert ann.ask_inline("script:short?")["button"] == "That is beyond your limit: see /usage"


def test_inline_queries_of_others_lead_to_the_bots_own_chat(world, owner):
    eve, bob = world.stranger("Eve"), world.stranger("Bob")
    world.context.people.grant(world.author(bob), "member")
    assert eve.ask_inline("script:short?") == {"results": [], "button": "This bot is private: ask for access"}
    assert buttons(eve.wait_text("This bot is private", eve.send("/start inline"))) == ["Ask for access"]
    assert bob.ask_inline("script:short?") == {"results": [], "button": "Please write to me first, in our own chat"}
    bob.wait_text("May I learn from your words?", bob.send("/start inline"))
    assert len(bob.ask_inline("script:short?")["results"]) == 1
    owner.wait_text("is banned", owner.send(f"/ban {bob.id}"))
    with pytest.raises(AssertionError, match="not seen"):
        bob.ask_inline("script:short?", 1.5)


def test_nothing_that_was_sent_was_refused_or_broke(world):
    assert "Traceback" not in world.bot.output()
    refused = {c.description for c in world.api.journal if c.status == 400}
    assert not [one for one in refused if "message is not modified" not in one]


# --- edges ---


@pytest.fixture
def budgets(store) -> Budgets:
    return Budgets(store, Settings(**LIMITS | {"telegram_minute_messages": 0}))


def test_side_by_side_no_more_are_let_through_than_may_be(budgets):
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda _: budgets.spend("ann", now_ms(), False), range(40)))
    assert verdicts.count("yes") == 5 and verdicts.count("messages") == 35
    assert budgets.used("ann").messages == budgets.used().messages == 5


def test_a_new_day_begins_at_midnight_utc(budgets, store, monkeypatch):
    midnight = 20_000 * DAY_MS
    monkeypatch.setattr("feedback.budgets.now_ms", lambda: midnight - 1)
    assert [budgets.spend("ann", 0, False) for _ in range(6)] == ["yes"] * 5 + ["messages"]
    budgets.add_tokens("ann", 7)
    assert store.ttl(keys.used(19_999, "ann")) > DAY_MS // 1000
    monkeypatch.setattr("feedback.budgets.now_ms", lambda: midnight)
    assert budgets.used("ann").messages == budgets.used().tokens == 0
    assert budgets.spend("ann", 0, False) == "yes"


def test_links_of_before_they_had_uses_still_work_once(store):
    people = People(store)
    store.set(keys.invite(_digest("old")), "member", ex=60)
    assert people.redeem("old", "ann", "telegram:1") == "member" and people.redeem("old", "bob", "telegram:2") is None


def test_lists_of_numbers_are_read_and_anything_else_refused():
    assert Settings(telegram_allowed=" 5,7 , 9").allowed_people == {5, 7, 9}
    assert Settings(telegram_groups="-1001234").open_groups == {-1001234} and Settings().open_groups == frozenset()
    for wrong in ("ann", "5 7", "5;7"):
        with pytest.raises(ValueError, match="numbers, separated by commas"):
            Settings(telegram_allowed=wrong)
