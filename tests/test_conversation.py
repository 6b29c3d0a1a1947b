"""What a conversation is made of: topics, groups, quotes, edits, /retry, and messages that are no text."""

import threading
from contextlib import contextmanager

import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bot.keyboards import AboutAnswer
from core import keys
from tests.telegram_api import BOT, Person, buttons
from tests.telegram_world import World, a_world, ids
from tests.waiting import until

ME = f"@{BOT['username']}"
STICKER = {"file_id": "s", "file_unique_id": "s", "type": "regular", "width": 1, "height": 1}
STICKER |= {"is_animated": False, "is_video": False}


class Endpoint:
    """An OpenAI-compatible API at the network's far side, which hears and sees what it is told to."""

    def __init__(self) -> None:
        self.base, self.asked, self.fails = "", [], False
        self.hears, self.shows = "script:short by voice", "a red bicycle"

    async def transcribe(self, request: Request) -> JSONResponse:
        form = await request.body()
        self.asked.append((request.headers["authorization"], form))
        return self._answer({"text": self.hears})

    async def complete(self, request: Request) -> JSONResponse:
        body = await request.json()
        self.asked.append((request.headers.get("authorization"), body))
        return self._answer({"choices": [{"message": {"role": "assistant", "content": self.shows}}]})

    def _answer(self, body: dict) -> JSONResponse:
        return JSONResponse({"error": "overloaded"}, 503) if self.fails else JSONResponse(body)


@contextmanager
def endpoint():
    found = Endpoint()
    routes = [
        Route("/v1/audio/transcriptions", found.transcribe, methods=["POST"]),
        Route("/v1/chat/completions", found.complete, methods=["POST"]),
    ]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started, "the endpoint")
    found.base = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    yield found
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def senses():
    with endpoint() as found:
        yield found


@pytest.fixture(scope="module")
def world(valkey_url, base, tmp_path_factory, senses):
    changes = {
        "telegram_trigger": "Apprentice",
        "transcription_url": senses.base,
        "transcription_api_key": SecretStr("the-key"),
        "vision_url": senses.base,
    }
    with a_world(valkey_url, base, tmp_path_factory.mktemp("conversation"), **changes) as found:
        yield found


def in_group(world: World, *people: Person) -> None:
    group = -next(ids)
    for person in people:
        person.group = group


def question(world: World, answer: dict) -> str:
    return world.turn(answer).messages[-1].content


# --- topics and groups ---


def test_each_topic_has_a_history_of_its_own(world):
    ann = world.member()
    in_group(world, ann)
    answers = {}
    for topic, n in ((None, 1), (5, 1), (6, 1), (5, 2), (None, 2)):
        ann.topic = topic
        asked = ann.send(f"{ME} script:short {topic} {n}")
        answers[topic, n] = answer = ann.wait_answer(asked)
        assert answer.get("message_thread_id") == topic
    for topic, n in ((5, 1), (6, 1), (None, 1)):
        assert world.turn(answers[topic, n]).parent is None
    assert world.turn(answers[5, 2]).parent == world.turn(answers[5, 1]).id
    assert world.turn(answers[None, 2]).parent == world.turn(answers[None, 1]).id
    ann.topic = 5
    reset = ann.send(f"/reset{ME}")
    assert ann.wait_text("afresh", reset)["message_thread_id"] == 5
    heads = [world.context.turns.head(world.chat(ann), topic) for topic in ("5", "6", None)]
    assert heads == [None, world.turn(answers[6, 1]).id, world.turn(answers[None, 2]).id]


def test_a_stop_ends_the_answer_of_its_topic_and_no_other(world):
    ann = world.member()
    ann.topic = 5
    endless = ann.send("script:endless")
    ann.wait_text("word3", endless)
    ann.topic = 6
    other = ann.send("/stop")
    ann.wait_text("No answer is running", other)
    ann.topic = 5
    ann.send("/stop")
    assert world.turn(ann.wait_answer(endless)).status == "stopped"


def test_in_a_group_a_word_to_begin_with_is_enough_and_the_rest_is_never_kept(world):
    ann = world.member()
    in_group(world, ann)
    stored = keys.updates_seen(BOT["id"])
    before = world.context.store.zcard(stored)
    ann.send("script:short not to the bot")
    ann.send("my apprentice said: script:short")
    ann.send("Apprentices are many: script:short")
    answer = ann.wait_answer(ann.send("apprentice, script:short to the bot"))
    assert question(world, answer) == "script:short to the bot" and len(ann.seen()) == 1
    assert world.context.store.zcard(stored) == before + 1


def test_a_message_in_a_topic_that_the_bot_opened_is_no_reply_to_it(world):
    ann = world.member()
    in_group(world, ann)
    opening = {"message_id": next(ids), "date": 1, "chat": {"id": ann.group, "type": "supergroup"}, "from": BOT}
    opening |= {"forum_topic_created": {"name": "Plans", "icon_color": 1}}
    ann.send("script:short to the others", reply_to=opening)
    answer = ann.wait_answer(ann.send(f"{ME} script:short to the bot"))
    assert question(world, answer) == "script:short to the bot" and len(ann.seen()) == 1


# --- quotes and what is passed on ---


def test_what_a_message_quotes_is_part_of_the_question(world):
    ann, bob = world.member(), world.member("Bob")
    in_group(world, ann, bob)
    said = bob.send("The ferry is late.\nAgain.")
    answer = ann.wait_answer(ann.send(f"{ME} why? script:short", reply_to=said))
    assert question(world, answer) == "> The ferry is late.\n> Again.\n\nwhy? script:short"
    part = {"text": "script", "position": 6, "is_manual": True}
    quoted = ann.send("why? script:short", reply_to=answer, quote=part)
    second = ann.wait_answer(quoted)
    assert question(world, second) == "> script\n\nwhy? script:short", "about a part of an answer, and no correction"
    elsewhere = {"origin": {"type": "hidden_user", "sender_user_name": "Eve", "date": 1}}
    ann.group = bob.group = None
    other = ann.send("and this? script:short", external_reply=elsewhere, quote=part | {"text": "from elsewhere"})
    assert question(world, ann.wait_answer(other)) == "> from elsewhere\n\nand this? script:short"


def test_what_is_passed_on_is_a_question_whatever_it_looks_like(world):
    ann = world.member()
    origin = {"type": "hidden_user", "sender_user_name": "Eve", "date": 1}
    answer = ann.wait_answer(ann.send("script:short", forward_origin=origin))
    assert question(world, answer) == "script:short"
    passed_on = ann.send("/reset", forward_origin=origin)
    second = ann.wait_answer(passed_on, 60)
    assert question(world, second) == "/reset" and world.turn(second).parent == world.turn(answer).id


# --- edits and /retry ---


def test_the_answer_follows_an_edit_in_the_same_message(world):
    ann = world.member()
    before = ann.wait_answer(ann.send("script:short before"))
    asked = ann.send("script:long with an error")
    last = ann.wait_answer(asked)
    first = next(m for m in ann.seen() if m["message_id"] > asked["message_id"])
    ann.edit(asked, "script:short without it")
    until(lambda: "👍" in buttons(world.now(first)), "the answer has changed")
    answer = world.now(first)
    assert answer["text"] == "It is scripted." and question(world, answer) == "script:short without it"
    assert world.turn(answer).parent == world.turn(before).id
    assert (ann.id, last["message_id"]) not in world.api.messages and len(ann.seen()) == 2
    assert world.context.turns.head(world.chat(ann)) == world.turn(answer).id
    edits = len(world.edits(first))
    ann.edit(asked, "script:short without it")
    ann.edit(ann.send("/help"), "script:short instead")
    ann.wait_answer(ann.send("script:short afterwards"))
    assert len(world.edits(first)) == edits and len(ann.seen()) == 4, "nothing to follow"
    ann.edit(asked, "script:waiting twice edited")
    until(lambda: "👍" not in buttons(world.now(first)), "it is asked again")
    until(lambda: "👍" in buttons(world.now(first)), "it follows again")
    assert question(world, world.now(first)) == "script:waiting twice edited"


def test_a_question_that_failed_is_asked_again_where_it_failed_once_it_is_edited(world):
    ann = world.member()
    asked = ann.send("word " * 20_000)
    failed = ann.wait_text("Send it in parts", asked)
    ann.edit(asked, "script:short in few words")
    until(lambda: "👍" in buttons(world.now(failed)), "it is answered")
    answer = world.now(failed)
    assert answer["text"] == "It is scripted." and question(world, answer) == "script:short in few words"
    ann.edit(asked, "word " * 20_000)
    until(lambda: "Send it in parts" in world.now(failed)["text"], "it fails again")
    ann.edit(asked, "script:short in few words")
    until(lambda: "👍" in buttons(world.now(failed)), "the words of before are no reason to leave it")
    edits = len(world.edits(failed))
    ann.edit(asked, "script:short in few words")
    ann.wait_answer(ann.send("script:short afterwards"))
    assert len(world.edits(failed)) == edits and len(ann.seen()) == 2, "nothing to follow"


def test_an_edit_can_turn_to_the_bot_in_a_group(world):
    ann, eve = world.member(), world.stranger("Eve")
    in_group(world, ann, eve)
    asked, by_stranger = ann.send("script:short"), eve.send("script:short")
    eve.edit(by_stranger, f"{ME} script:short")
    ann.edit(asked, f"{ME} script:short please")
    answer = ann.wait_answer(asked)
    assert answer["reply_to_message"]["message_id"] == asked["message_id"] and len(ann.seen()) == 1


def test_retry_answers_the_last_question_again_also_where_it_failed(world):
    ann = world.member()
    nothing = ann.send("/retry")
    ann.wait_text("nothing that I could answer again", nothing)
    answer = ann.wait_answer(ann.send("script:short"))
    again = ann.wait_answer(ann.send("/retry"))
    assert again["text"] == "Again: It is scripted." and world.turn(again).regenerates == world.turn(answer).id
    broken = ann.send("script:broken")
    failed = ann.wait_text("broke off", broken)
    retried = ann.send("/retry")
    twice = ann.wait_text("Again: This goes", retried)
    turns = [world.context.turns.get(_carried(message)) for message in (failed, twice)]
    assert turns[1].regenerates == turns[0].id
    until(lambda: len(world.context.ratings.regenerations(turns[0].id)) == 1, "it is noted, once")
    ann.wait_text("afresh", ann.send("/reset"))
    ann.wait_text("nothing that I could answer again", ann.send("/retry"))


def _carried(message: dict) -> str:
    return AboutAnswer.unpack(message["reply_markup"]["inline_keyboard"][0][0]["callback_data"]).turn


# --- what is no text ---


def test_voice_is_shown_as_text_and_answered(world, senses):
    ann = world.member()
    said = ann.send_voice()
    heard = ann.wait_text("🎙", said)
    answer = ann.wait_answer(heard)
    assert heard["text"] == "🎙 script:short by voice" and question(world, answer) == senses.hears
    key, form = senses.asked[-1]
    assert key == "Bearer the-key" and b"a recording" in form and b"whisper-1" in form
    for kind, caption, fields, name in (
        ("audio", "", {"file_name": "talk.mp3"}, b"talk.mp3"),
        ("video_note", "", {"length": 9}, b"film.mp4"),
        ("video", "script:short Who?", {"width": 9, "height": 9}, b"film.mp4"),
    ):
        answer = ann.wait_answer(ann.send_voice(kind, caption, **fields))
        assert question(world, answer) == (f"{caption}\n\n{senses.hears}" if caption else senses.hears)
        assert name in senses.asked[-1][1]
    senses.hears = " "
    ann.wait_text("no words", ann.send_voice())
    senses.fails = True
    ann.wait_text("could not listen", ann.send_voice())
    ann.wait_text("could not look", ann.send_photo())
    senses.fails, senses.hears = False, "script:short by voice"


def test_a_picture_is_described_and_its_caption_answered(world, senses):
    ann = world.member()
    answer = ann.wait_answer(ann.send_photo("script:short What is it?"))
    assert question(world, answer) == "A picture shows this: a red bicycle\n\nscript:short What is it?"
    key, body = senses.asked[-1]
    text, picture = body["messages"][0]["content"]
    assert key is None and text["text"] == "script:short What is it?" and body["model"] == "gpt-4o-mini"
    assert picture["image_url"]["url"] == "data:image/jpeg;base64,YSBwaWN0dXJl"


def test_an_edit_of_what_stands_under_a_picture_or_a_recording_is_followed_with_it(world, senses):
    ann = world.member()
    asked = ann.send_photo("script:short What is it?")
    shown = ann.wait_answer(asked)
    senses.shows = "a green bicycle"
    ann.edit(asked, "script:waiting What colour is it?")
    until(lambda: "👍" not in buttons(world.now(shown)), "it is asked again")
    until(lambda: "👍" in buttons(world.now(shown)), "the answer has changed")
    followed = question(world, world.now(shown))
    assert followed == "A picture shows this: a green bicycle\n\nscript:waiting What colour is it?"
    said = ann.send_voice()
    heard = ann.wait_answer(ann.wait_text("🎙", said))
    ann.edit(said, "what I said")
    asked_then = f"what I said\n\n{senses.hears}"
    until(lambda: "👍" in buttons(now := world.now(heard)) and question(world, now) == asked_then, "it is heard again")
    senses.shows, senses.fails = "a red bicycle", True
    ann.edit(asked, "script:short And now?")
    ann.wait_text("could not look", heard)
    failed = ann.send_photo("script:short What is this?")
    told = ann.wait_text("could not look", failed)
    senses.fails = False
    ann.edit(failed, "script:short And this?")
    assert question(world, ann.wait_answer(told)).endswith("red bicycle\n\nscript:short And this?")


def test_an_album_is_one_word_and_every_other_type_one_too(world):
    ann = world.member()
    for n in range(4):
        ann.send_photo("look" if n == 0 else "", media_group_id="42")
    ann._post(sticker=STICKER)
    ann.wait_text("please write it to me")
    assert [m["text"][:36] for m in ann.seen()] == [
        "I can only read text, and leave out ",
        "I can only read text; please write i",
    ]
    ann._post(pinned_message={"message_id": 1, "date": 1, "chat": {"id": ann.id, "type": "private"}, "text": "x"})
    ann.wait_text("/sources", ann.send("/help"))
    assert len(ann.seen()) == 3, "what happened in a chat is said to nobody"


def test_the_record_of_updates_is_empty_once_all_is_done(world):
    store = world.context.store
    until(lambda: not list(store.scan_iter(keys.update(BOT["id"], "*"))), "all is done")
    assert list(store.scan_iter(keys.lane(BOT["id"], "*:holder"))) == [] and "Traceback" not in world.bot.output()
