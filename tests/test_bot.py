"""People talk to the bot: a real process, on the wire to a Bot API and to serving over the bundled model."""

import itertools
import time
from pathlib import Path

from bot.keyboards import Stop
from core import keys
from retrieval.embedder import Embedder
from retrieval.ingest import ingest
from tests.telegram_api import BOT, buttons, units
from tests.telegram_bot import bot_process
from tests.telegram_world import data, ids
from tests.waiting import until
from tests.warm import LONG

NOT_FOUND, NOT_MODIFIED = "Bad Request: message to edit not found", "Bad Request: message is not modified: as before"
MARKDOWN = "Use **code**:\n\n```python\nx = 1\n```"


def test_the_link_makes_its_opener_the_owner(world):
    stranger = world.stranger()
    first = stranger.send("/start " + "x" * 32)
    assert buttons(stranger.wait_text("does not work", first)) == ["Ask for access"]

    link = world.owner.send("/start " + world.bot.owner_code())
    assert "yours now" in world.owner.wait_text("Hello", link)["text"]
    notice = world.owner.wait_text("pseudonym", link)
    assert "90 days" in notice["text"] and "operators" in notice["text"]
    assert buttons(notice) == ["Yes, learn from my words", "No, only answer"]
    assert world.context.people.owner() == world.author(world.owner)

    again = stranger.send("/start " + world.bot.owner_code())
    stranger.wait_text("does not work", again)
    assert world.context.people.person(world.author(stranger)).role is None


def test_a_stranger_asks_and_the_owner_decides(world):
    bob, eve = world.stranger("Bob"), world.stranger("Eve")
    for person in (bob, eve):
        person.send("What is the capital of France?")
        refusal = person.wait_text("private")
        assert "sent" in person.press(refusal, "Ask for access")["text"]
        assert "waits" in person.press(refusal, "Ask for access")["text"]
        asking = world.owner.wait_text(f"{person.name} asks")
        assert buttons(asking) == ["Allow", "Refuse"]
        forged = refusal | {"chat": {"id": person.id}}
        world.api.messages[person.id, refusal["message_id"]]["reply_markup"] = asking["reply_markup"]
        assert "access" in person.press(forged, "Allow")["text"], "a stranger cannot decide"

    world.owner.press(world.owner.wait_text("Bob asks"), "Allow")
    bob.wait_text("You may use this bot now")
    bob.wait_text("May I learn from your words?")
    asked = bob.send("script:short")
    assert bob.wait_answer(asked)["text"] == "It is scripted."
    world.owner.press(world.owner.wait_text("Eve asks"), "Refuse")
    eve.wait_text("did not give you access")
    assert buttons(world.owner.wait_text("Eve was refused")) == []
    again = eve.send("script:short")
    eve.wait_text("private", again)


def test_a_member_cannot_decide_and_a_decision_falls_once(world):
    ann, eve = world.member(), world.stranger("Eva")
    eve.send("hello")
    eve.press(eve.wait_text("private"), "Ask for access")
    asking = world.owner.wait_text("Eva asks")
    mine = ann.send("/help")
    shown = ann.wait_text("/sources", mine)
    allow, refuse = data(asking, "Allow"), data(asking, "Refuse")
    assert "Only the owner" in ann.press_data(shown, allow)["text"]
    world.owner.press_data(asking, refuse)
    assert "decided already" in world.owner.press_data(asking, allow)["text"]
    assert world.context.people.person(world.author(eve)).role is None


def test_an_answer_grows_by_edits_and_ends_exact(world):
    ann = world.member()
    asked = ann.send("script:steady please")
    answer = ann.wait_answer(asked)
    turn = world.turn(answer)
    assert answer["text"] == turn.reply.strip() == " ".join(f"word{n}" for n in range(60))
    assert (turn.chat, turn.author, turn.status) == (world.chat(ann), world.author(ann), "complete")
    assert buttons(answer) == ["👍", "👎", "✏️", "🔄"]
    (sent,) = world.api.calls("sendMessage", ann.id)
    edits = world.edits(answer)
    assert sent.params["text"] == "…" and len(edits) >= 2
    assert all(answer["text"].startswith(e.params["text"]) for e in edits)
    assert all("parse_mode" not in c.params for c in [sent, *edits])
    gaps = [b.at - a.at for a, b in itertools.pairwise([sent, *edits[:-1]])]
    assert all(gap > 0.9 for gap in gaps[1:]), "only the first words follow at once"


def test_the_model_answers_and_follows_the_conversation(world):
    ann = world.member()
    first = ann.wait_answer(ann.send("What is the capital of France?"))
    assert "Paris" in first["text"]
    second = ann.wait_answer(first | ann.send("script:short and of Italy?"))
    turn = world.turn(second)
    assert turn.parent == world.turn(first).id and [m.content for m in turn.messages] == ["script:short and of Italy?"]
    reset = ann.send("/reset")
    ann.wait_text("afresh", reset)
    third = ann.wait_answer(ann.send("script:short once more"))
    assert world.turn(third).parent is None
    world.context.store.delete(keys.turn(world.turn(third).id))
    fourth = ann.wait_answer(ann.send("script:short after the record has expired"))
    assert world.turn(fourth).parent is None


def test_votes_are_stored_and_the_last_one_counts(world):
    ann, bob = world.member(), world.member("Bob")
    answer = ann.wait_answer(ann.send("script:short"))
    turn = world.turn(answer)
    votes = world.context.ratings.votes
    up, down = data(answer, "👍"), data(answer, "👎")
    assert "right" in ann.press_data(answer, up)["text"] and [v.value for v in votes(turn.id)] == [1]
    assert "not right" in ann.press_data(answer, down)["text"] and [v.value for v in votes(turn.id)] == [-1]
    assert [v.author for v in votes(turn.id)] == [world.author(ann)]
    other = bob.wait_answer(bob.send("script:short"))
    assert "older than my record" in bob.press_data(other, up)["text"], "another chat's turn"
    for forged in ("f:up:nonsense", "f:sideways:" + turn.id, "zzz", "c:maybe", "d:allow:me"):
        assert "does not work" in bob.press_data(other, forged)["text"]
    assert [v.value for v in votes(turn.id)] == [-1]


def test_a_correction_after_the_button_and_by_reply(world):
    ann = world.member()
    answer = ann.wait_answer(ann.send("script:short how?"))
    turn = world.turn(answer)
    corrections = world.context.ratings.corrections

    ann.press(answer, "✏️")
    prompt = ann.wait_text("What should the answer have been?")
    assert "until the next refresh" in world.confirm(ann, ann.send("By hand.", reply_to=prompt))["text"]
    assert [c.text for c in corrections(turn.id)] == ["By hand."]

    world.confirm(ann, ann.send("By hand, slowly.", reply_to=answer))
    assert [c.text for c in corrections(turn.id)] == ["By hand, slowly."]

    ann.press(answer, "✏️")
    stopped = ann.send("/stop")
    ann.wait_text("no correction", stopped)
    later = ann.send("script:short is a question again")
    ann.wait_answer(later)
    assert [c.text for c in corrections(turn.id)] == ["By hand, slowly."]

    ann.press(answer, "✏️")
    much = ann.send("x" * 8001)
    ann.wait_text("8,000 characters", much)
    world.confirm(ann, ann.send("By machine."))
    assert [c.text for c in corrections(turn.id)] == ["By machine."]


def test_another_answer_is_linked_to_the_first(world):
    ann = world.member()
    before = ann.wait_answer(ann.send("script:short one"))
    answer = ann.wait_answer(ann.send("script:short two"))
    assert ann.press(answer, "🔄")["text"]
    second = ann.wait_answer(answer)
    old, new = world.turn(answer), world.turn(second)
    assert second["text"] == "Again: It is scripted."
    assert (new.regenerates, new.parent, new.messages[-1].content) == (
        old.id,
        world.turn(before).id,
        "script:short two",
    )
    (noted,) = until(lambda: world.context.ratings.regenerations(old.id), "the regeneration")
    assert (noted.replacement, noted.author) == (new.id, world.author(ann))
    assert world.context.turns.head(world.chat(ann)) == new.id


def test_an_approved_answer_is_said_word_for_word_and_marked(world):
    ann, bob = world.member(), world.member("Bob")
    question = "script:short When does the harbour office open on weekdays?"
    answer = ann.wait_answer(ann.send(question))
    world.confirm(ann, ann.send("At 7:30, except on public holidays.", reply_to=answer))
    turn = world.turn(answer)
    world.context.reviews.decide(turn.id, "edit", "op", "everyone", "At 7:30, except on public holidays.")
    approved = bob.wait_answer(bob.send(question))
    assert approved["text"] == "At 7:30, except on public holidays.\n\n✓ checked by a person"
    asked = bob.send("/why")
    assert "word for word" in bob.wait_text("An operator approved", asked)["text"]


def test_sources_are_named_under_the_answer_and_on_request(world, tmp_path):
    ann = world.member()
    asked = ann.send("/why")
    ann.wait_text("no answer in this conversation", asked)
    handbook = tmp_path / "handbook.md"
    handbook.write_text("# Ferry\n\nThe ferry to Norderney takes 55 minutes and costs 14 euros.\n")
    embedder = Embedder.load(None)
    ingest(world.settings.data_dir, [handbook], embedder, scope_chat=world.chat(ann))
    answer = ann.wait_answer(ann.send("How long does the ferry to Norderney take?"))
    assert "55 minutes" in answer["text"] and answer["text"].endswith("Sources: [1] handbook.md › Ferry")
    asked = ann.send("/why")
    shown = ann.wait_text("the base model", asked)["text"]
    assert "[1] handbook.md › Ferry (score 1.00, cited)" in shown and "55 minutes" in shown
    without = ann.send("/reset")
    ann.wait_text("afresh", without)
    plain = ann.wait_answer(ann.send("script:short"))
    asked = plain | ann.send("/why")
    ann.wait_text("used no sources", asked)


def test_a_long_answer_is_split_where_a_reader_would_pause(world):
    ann = world.member()
    asked = ann.send("script:long")
    last = ann.wait_answer(asked)
    turn = world.turn(last)
    answers = [m for m in ann.seen() if m["message_id"] > asked["message_id"]]
    assert len(answers) > 2 and all(units(m["text"]) <= 4096 for m in answers)
    assert "\n\n".join(m["text"] for m in answers) == LONG == turn.reply
    assert [bool(buttons(m)) for m in answers] == [False] * (len(answers) - 1) + [True]
    world.confirm(ann, ann.send("Shorter, please.", reply_to=answers[0]))
    assert [c.text for c in world.context.ratings.corrections(turn.id)] == ["Shorter, please."]


def test_stop_keeps_what_was_said(world):
    ann = world.member()
    asked = ann.send("script:endless")
    growing = ann.wait_text("word3", asked)
    begun = time.monotonic()
    waiting = ann.send("script:short and this one waited")
    stop = ann.send("/stop")
    ann.wait_text("Stopped.", stop)
    answer = ann.wait_answer(asked)
    assert time.monotonic() - begun < 20
    turn = world.turn(answer)
    assert answer["message_id"] == growing["message_id"] and turn.status == "stopped"
    assert answer["text"] == turn.reply.strip() and answer["text"].startswith("word0 word1")
    ann.wait_text("Stopped before I said anything", waiting)
    assert ann.press(answer, "👎")["text"]
    silent = ann.send("script:silent")
    until(lambda: world.context.store.zcard(keys.OPEN_TURNS), "the turn is open")
    time.sleep(0.3)
    ann.send("/stop")
    assert buttons(ann.wait_text("Stopped before I said anything", silent)) == ["🔄"]
    between = ann.send("/help")
    ann.wait_text("/sources", between)
    idle = ann.send("/stop")
    ann.wait_text("No answer is running", idle)


def test_an_answer_is_in_the_record_before_its_first_token(world):
    ann = world.member()
    asked = ann.send("script:silent")
    (there,) = until(lambda: world.context.store.zrange(keys.OPEN_TURNS, 0, -1), "the turn is open")
    turn = world.context.turns.get(there)
    assert (turn.status, turn.reply, turn.author) == ("open", "", world.author(ann))
    assert turn.messages[-1].content == "script:silent"
    ann.send("/stop")
    ann.wait_text("Stopped before I said anything", asked)


def test_a_button_ends_an_answer_and_keeps_what_was_said(world):
    ann = world.member()
    asked = ann.send("script:endless")
    growing = ann.wait_text("word3", asked)
    assert buttons(growing) == ["⏹"]
    assert ann.press(growing, "⏹")["text"] == "Stopped."
    answer = ann.wait_answer(asked)
    turn = world.turn(answer)
    assert answer["message_id"] == growing["message_id"] and turn.status == "stopped"
    assert answer["text"] == turn.reply.strip() and "⏹" not in buttons(answer)
    assert ann.press_data(answer, Stop().pack())["text"] == "No answer is running."


def test_another_language_is_declined_in_it_and_a_loop_is_cut(world):
    ann = world.member()
    declined = ann.wait_answer(ann.send("¿Cuál es la capital de Francia?"))
    assert declined["text"].startswith("Solo entiendo inglés") and world.turn(declined).origin == "declined"
    cut = ann.wait_answer(ann.send("script:circles"))
    assert cut["text"] == world.turn(cut).reply == "Well. I am here to help you. I am here to help you."


def test_formatting_comes_with_the_last_edit(world):
    ann = world.member()
    answer = ann.wait_answer(ann.send("script:markdown"))
    assert answer["text"] == "Use code:\n\nx = 1" and world.turn(answer).reply == MARKDOWN
    assert [(e["type"], e.get("language")) for e in answer["entities"]] == [("bold", None), ("pre", "python")]
    *growing, final = world.edits(answer)
    assert growing and all("entities" not in call.params for call in growing) and final.params["entities"]


def test_chats_run_side_by_side_and_each_in_order(world):
    ann, bob = world.member(), world.member("Bob")
    slow = ann.send("script:steady")
    second = ann.send("script:short second")
    quick = bob.send("script:short")
    bob.wait_answer(quick)
    assert not any("👍" in buttons(m) for m in ann.seen()), "the slow answer still runs"
    answer = ann.wait_answer(slow)
    following = ann.wait(lambda m: m["text"] == "It is scripted.")
    assert following["message_id"] > answer["message_id"] > second["message_id"]
    assert world.turn(ann.wait_answer(answer)).parent == world.turn(answer).id


def test_flood_control_is_waited_for_and_nothing_else_happens(world):
    ann = world.member()
    world.api.fault("sendMessage", 429, "Too Many Requests: retry after 1", retry_after=1)
    world.api.fault("editMessageText", 429, "Too Many Requests: retry after 2", retry_after=2)
    asked = ann.send("script:steady under flood control")
    answer = ann.wait_answer(asked)
    assert answer["text"] == world.turn(answer).reply.strip()
    calls = [c for c in world.api.journal if c.params.get("chat_id") == ann.id]
    for refused, following in itertools.pairwise(calls):
        if refused.status == 429:
            assert following.at - refused.at >= (1 if refused.method == "sendMessage" else 2)
    assert calls[1].params == calls[0].params, "what stays is sent again; an edit on the way is not"
    assert [c.status for c in calls].count(429) == 2
    world.api.fault("answerCallbackQuery", 429, "Too Many Requests: retry after 1", retry_after=1)
    assert ann.press(answer, "👍")["text"]


def test_failures_of_telegram_leave_the_last_text_exact(world):
    ann = world.member()
    world.api.fault("editMessageText", 500, "Internal Server Error", times=2)
    asked = ann.send("script:short with a server error")
    assert ann.wait_answer(asked)["text"] == "It is scripted."
    world.api.fault("editMessageText", 400, NOT_MODIFIED)
    later = ann.send("script:waiting with a harmless refusal")
    ann.wait_answer(later)
    placeholder = ann.send("script:waiting")
    gone = ann.wait_text("…", placeholder)
    del world.api.messages[ann.id, gone["message_id"]]
    assert ann.wait_answer(placeholder)["text"] == "Begun."
    world.api.blocked.add(ann.id)
    ann.send("/help")
    world.api.blocked.discard(ann.id)
    after = ann.send("/help")
    ann.wait_text("/sources", after)


def test_what_serving_refuses_is_said_in_the_answers_place(world):
    ann = world.member()
    asked = ann.send("word " * 20_000)
    told = ann.wait_text("Send it in parts", asked)
    assert told["text"][0].isupper() and not buttons(told)
    broken = ann.send("script:broken")
    told = ann.wait_text("broke off", broken)
    assert told["text"].startswith("This goes\n\n") and buttons(told) == ["🔄"]
    empty = ann.send("script:empty")
    assert "no answer" in ann.wait_answer(empty)["text"]


def test_nothing_is_acknowledged_that_is_not_stored(world):
    ann = world.member()
    answer = ann.wait_answer(ann.send("script:short"))
    turn = world.turn(answer)
    ann.press(answer, "✏️")
    store = world.context.store
    store.config_set("maxmemory-policy", "noeviction")
    store.config_set("maxmemory", 1)
    try:
        told = ann.press(answer, "👍")
        assert told["text"].startswith("That was not stored") and "try again" in told["text"]
        correction = ann.send("A correction.")
        ann.wait_text("cannot store anything just now", correction)
        stop = ann.send("/stop")
        ann.wait_text("no correction", stop)
        asked = ann.send("script:short unrecorded")
        unrecorded = ann.wait_text("could not be stored", asked)
        assert unrecorded["text"].startswith("It is scripted.") and not buttons(unrecorded)
    finally:
        store.config_set("maxmemory", 0)
    assert world.context.ratings.votes(turn.id) == [] == world.context.ratings.corrections(turn.id)
    assert ann.press(answer, "👍")["text"] and len(world.context.ratings.votes(turn.id)) == 1


def test_consent_is_asked_once_and_can_be_changed(world):
    ann = world.stranger("Ann")
    world.context.people.grant(world.author(ann), "member")
    first = ann.send("script:short")
    notice = ann.wait_text("May I learn from your words?", first)
    answer = ann.wait_answer(first)
    assert notice["message_id"] < answer["message_id"]
    person = world.context.people.person
    assert person(world.author(ann)).consent == "ask"
    assert "will not learn" in ann.press(notice, "No, only answer")["text"]
    assert person(world.author(ann)).consent == "no"
    assert "Thank you" in ann.press(notice, "Yes, learn from my words")["text"]
    assert person(world.author(ann)).consent == "yes"
    until(lambda: "You allowed me" in world.api.messages[ann.id, notice["message_id"]]["text"], "the notice's new text")
    second = ann.send("script:short")
    ann.wait_answer(second)
    assert len([m for m in ann.seen() if "pseudonym" in m["text"]]) == 1
    start = ann.send("/start")
    assert buttons(ann.wait_text("You allowed me", start))


def test_commands_and_what_is_not_text_get_one_sentence(world):
    ann = world.member()
    shown = ann.send("/help")
    ann.wait_text("🔄 asks for another answer", shown)
    for post, part in (
        (lambda: ann.send("/fly me"), "do not know this command"),
        (lambda: ann.send_photo("What is this?"), "only read text"),
        (ann.send_voice, "only read text"),
    ):
        message = post()
        ann.wait_text(part, message)
    (named,) = [c for c in world.api.calls("setMyCommands") if not {"scope", "language_code"} & c.params.keys()]
    assert {"help", "reset", "stop", "sources"} <= {c["command"] for c in named.params["commands"]}


def test_whoever_asks_to_be_forgotten_is_heard_in_private(world):
    ann, eve = world.member(), world.stranger("Eve")
    asked = eve.send("/forget")
    shown = eve.wait_text("for good", asked)
    eve.press(shown, "Forget me")
    until(lambda: world.api.messages[eve.id, shown["message_id"]]["text"] == "I have nothing of you.", "the answer")
    ann.group = -next(ids)
    in_group = ann.send(f"/forget@{BOT['username']}")
    ann.wait_text("private chat", in_group)
    ann.group = None
    running = ann.send("script:endless")
    ann.wait_text("word3", running)
    shown = ann.wait_text("for good", ann.send("/stop") | ann.send("/forget"))
    answer = ann.wait_answer(running)
    turn = world.turn(answer)
    again = ann.send("script:endless once more")
    ann.wait_text("word3", again)
    ann.press(shown, "Forget me")
    until(lambda: "nothing of you any more" in world.api.messages[ann.id, shown["message_id"]]["text"], "it is done")
    until(lambda: not world.context.store.zcard(keys.OPEN_TURNS), "no answer runs")
    written = [world.context.store.get(key) for key in world.context.store.scan_iter(keys.turn("*"), _type="string")]
    assert turn.id not in world.context.turns.get_many([turn.id])
    assert not [text for text in written if world.author(ann) in text]
    assert ann.press(answer, "👍")["text"].startswith("This bot is private")


def test_in_a_group_only_what_is_said_to_it_is_heard(world):
    ann, eve = world.member(), world.stranger("Eve")
    for person in (ann, eve):
        person.group = -next(ids)
    eve.group = ann.group
    ann.send("script:short said to nobody")
    eve.send("script:short by a stranger, to nobody")
    ann.send("/fly")
    ann.send("/help@another_bot")
    asked = ann.send(f"@{BOT['username']} script:short said to the bot")
    answer = ann.wait_answer(asked)
    turn = world.turn(answer)
    assert turn.messages[-1].content == "script:short said to the bot"
    assert (turn.author, turn.chat) == (world.author(ann), world.names.chat(f"telegram:{ann.group}"))
    assert answer["reply_to_message"]["message_id"] == asked["message_id"]
    assert len(ann.seen()) == 1
    assert "private" in eve.press(answer, "👍")["text"]
    ann.press(answer, "✏️")
    prompt = ann.wait_text("What should the answer have been?")
    ann.send("This is not said to the bot.")
    world.confirm(ann, ann.send("Said in the group.", reply_to=prompt))
    assert [c.text for c in world.context.ratings.corrections(turn.id)] == ["Said in the group."]
    by_stranger = eve.send(f"@{BOT['username']} script:short")
    eve.wait_text("private", by_stranger)
    command = ann.send(f"/help@{BOT['username']}")
    ann.wait_text("/sources", command)


def test_the_whole_output_holds_no_token_and_no_refusal_goes_unnoticed(world):
    written = world.bot.output()
    assert world.api.token not in written and "Traceback" not in written
    assert world.api.token.split(":")[1] not in Path(f"/proc/{world.bot.process.pid}/cmdline").read_text()
    refused = {c.description for c in world.api.journal if c.status == 400}
    assert refused <= {NOT_FOUND, NOT_MODIFIED}


def test_at_the_end_answers_finish_or_are_handed_on(world, tmp_path):
    ann, bob = world.member(), world.member("Bob")
    finishing, endless = ann.send("script:steady"), bob.send("script:endless")
    begun = bob.wait_text("word3", endless)
    assert world.bot.stop() == 0
    finished = ann.wait_answer(finishing)
    assert finished["text"] == world.turn(finished).reply.strip() and world.turn(finished).status == "complete"
    assert world.api.confirmed == max(u["update_id"] for c in world.api.calls("getUpdates") for u in c.result or [])
    with bot_process(world.settings, world.api, tmp_path):
        until(lambda: any(e.params["text"] == "…" for e in world.edits(begun)), "it is asked again")
        until(lambda: "word3" in world.now(begun)["text"], "it grows again")
        bob.send("/stop")
        answer = bob.wait_answer(endless)
        assert answer["message_id"] == begun["message_id"] and world.turn(answer).parent is None
    assert len([m for m in bob.seen() if m["text"].startswith("word0")]) == 1


def test_with_drafts_and_rich_messages_telegrams_own_button_stops_and_keeps_what_was_said(world, tmp_path):
    ann = world.member()
    with bot_process(world.settings, world.api, tmp_path, telegram_streaming="drafts", telegram_rich=True) as bot:
        asked = ann.send("script:endless")
        until(lambda: "word3" in world.api.drafts.get(ann.id, {}).get("text", ""), "the draft grows")
        assert ann.seen() == [], "a draft is no message"
        world.api.push(
            stopped_message_generation={"chat": asked["chat"], "draft_id": world.api.drafts[ann.id]["draft_id"]}
        )
        answer = ann.wait_answer(asked)
        turn = world.turn(answer)
        assert turn.status == "stopped" and answer["rich_message"]["markdown"] == turn.reply.strip()
        complete = ann.wait_answer(ann.send("script:markdown"))
        assert complete["rich_message"]["markdown"] == world.turn(complete).reply == MARKDOWN
        assert world.api.drafts[ann.id]["text"].startswith("Use **co") and world.turn(complete).status == "complete"
        in_group = world.member()
        in_group.group = -next(ids)
        grown = in_group.wait_answer(in_group.send(f"@{BOT['username']} script:markdown"))
        assert len(world.edits(grown)) >= 2, "drafts are for private chats"
        assert grown["rich_message"]["markdown"] == MARKDOWN and grown["text"] == ""
        world.api.knows_rich = False
        try:
            for person, to in ((ann, ""), (in_group, f"@{BOT['username']} ")):
                plain = person.wait_answer(person.send(f"{to}script:markdown"))
                assert plain["text"] == "Use code:\n\nx = 1" and "rich_message" not in plain
                assert [e["type"] for e in plain["entities"]] == ["bold", "pre"]
        finally:
            world.api.knows_rich = True
        assert "Traceback" not in bot.output()
