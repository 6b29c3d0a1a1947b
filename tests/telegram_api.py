"""A Bot API server for tests: what Telegram promises, checks and refuses, on the wire, with a journal of every call."""

import asyncio
import email
import email.policy
import itertools
import json
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.telegram_contract import record
from tests.telegram_rules import Invalid, accept, accept_call, units
from tests.waiting import until

TOKEN = "123456:AAE-not_a_real_token_but_of_its_shape00"
BOT = {"id": 123456, "is_bot": True, "first_name": "Apprentice", "username": "apprentice_test_bot"}
ME = BOT | {"can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": True}
USUAL_KINDS = ("message", "edited_message", "callback_query", "inline_query")
"""What Telegram brings where it is not told what is wanted: reactions are not among it."""
POLL_S = 0.005
MAX_DOWNLOAD = 20 * 2**20
JSON_FIELDS = {
    "reply_markup",
    "reply_parameters",
    "link_preview_options",
    "allowed_updates",
    "commands",
    "entities",
    "rich_message",
    "results",
    "button",
    "scope",
}
NUMBERS = {
    "chat_id",
    "message_id",
    "message_thread_id",
    "offset",
    "limit",
    "timeout",
    "max_connections",
    "user_id",
    "draft_id",
    "cache_time",
}
FLAGS = {"is_personal", "show_alert", "drop_pending_updates", "can_stop", "keep_on_stop"}


class Refused(Exception):
    """A call that Telegram would not carry out."""

    def __init__(self, status: int, description: str, **parameters: int):
        super().__init__(description)
        self.status, self.description, self.parameters = status, description, parameters


@dataclass
class Call:
    """One call that the bot made."""

    method: str
    params: dict[str, Any]
    at: float
    status: int = 0
    description: str = ""
    result: Any = None


@dataclass
class Fault:
    """The next `times` calls of a method fail like this."""

    method: str
    status: int
    description: str
    retry_after: int | None
    times: int


@dataclass
class TelegramApi:
    """The server's state. Methods whose name begins with a small letter and that `_METHODS` lists are the Bot API's."""

    token: str = TOKEN
    base: str = ""
    journal: list[Call] = field(default_factory=list)
    messages: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    drafts: dict[int, dict[str, Any]] = field(default_factory=dict)
    blocked: set[int] = field(default_factory=set)
    confirmed: int = 0
    webhook: dict[str, Any] = field(default_factory=dict)
    deliveries: list[int] = field(default_factory=list)
    replicas: list[str] = field(default_factory=list)
    """Where the proxy at the webhook's address passes calls on to, in turn; empty: to that address."""
    files: dict[str, bytes] = field(default_factory=dict)
    downloads_fail: int = 0
    hangs: Callable[[dict[str, Any]], bool] | None = None
    """Which calls, by their parameters, are not answered and not carried out, as long as this stands."""
    knows_rich: bool = True
    """Whether it is new enough for rich messages."""
    faults: list[Fault] = field(default_factory=list)
    _updates: list[dict[str, Any]] = field(default_factory=list)
    _next: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**9)))
    closing: bool = False
    _polls: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def fault(self, method: str, status: int, description: str = "", retry_after: int | None = None, times: int = 1):
        """Let the next calls of a method fail."""
        self.faults.append(Fault(method, status, description or f"Injected {status}", retry_after, times))

    def calls(self, method: str, chat_id: int | None = None) -> list[Call]:
        """The calls of a method so far, in one chat or in all."""
        return [c for c in list(self.journal) if c.method == method and chat_id in (None, c.params.get("chat_id"))]

    def chat(self, chat_id: int) -> list[dict[str, Any]]:
        """A chat's messages as its members see them now."""
        with self._lock:
            return [message for (chat, _), message in sorted(self.messages.items()) if chat == chat_id]

    def new_id(self) -> int:
        """A number never used before."""
        with self._lock:
            return next(self._next)

    def push(self, **event: Any) -> int:
        """An update for the bot; redelivered until it is confirmed."""
        with self._lock:
            update = {"update_id": self.new_id(), **event}
            self._updates.append(update)
            return update["update_id"]

    def remember(self, message: dict[str, Any]) -> dict[str, Any]:
        """Put a message into its chat."""
        with self._lock:
            self.messages[message["chat"]["id"], message["message_id"]] = message
        return message

    # --- the wire ---

    async def handle(self, request: Request) -> JSONResponse:
        """One call of the bot."""
        method = request.path_params["method"]
        params = await _params_of(request, self.files)
        call = Call(method, params, time.monotonic())
        self.journal.append(call)
        try:
            if request.path_params["token"] != self.token:
                raise Refused(401, "Unauthorized")
            self._inject(method)
            await self._hang(params)
            if method not in _METHODS or method == "sendRichMessage" and not self.knows_rich:
                raise Refused(404, "Not Found: method not found")
            if not self.knows_rich:
                params.pop("rich_message", None)
            _check_call(method, params)
            call.result = await _METHODS[method](self, params)
            call.status = 200
            return JSONResponse({"ok": True, "result": call.result})
        except Refused as refused:
            call.status, call.description = refused.status, refused.description
            body = {"ok": False, "error_code": refused.status, "description": refused.description}
            extra = {"parameters": refused.parameters} if refused.parameters else {}
            return JSONResponse(body | extra, refused.status)

    async def download(self, request: Request) -> Response:
        """A file that the bot fetches; the next `downloads_fail` times it breaks."""
        content = self.files.get(request.path_params["path"].removeprefix("documents/"))
        if request.path_params["token"] != self.token or content is None:
            return Response(status_code=404)
        if self.downloads_fail:
            self.downloads_fail -= 1
            return Response(status_code=502)
        return Response(content)

    async def _hang(self, params: dict[str, Any]) -> None:
        hung = False
        while self.hangs is not None and self.hangs(params) and not self.closing:
            hung = True
            await asyncio.sleep(POLL_S)
        if hung:
            raise Refused(502, "Bad Gateway")

    def _inject(self, method: str) -> None:
        for fault in self.faults:
            if fault.method == method and fault.times > 0:
                fault.times -= 1
                parameters = {"retry_after": fault.retry_after} if fault.retry_after is not None else {}
                raise Refused(fault.status, fault.description, **parameters)

    async def _get_me(self, params: dict[str, Any]) -> Any:
        return ME

    async def _get_updates(self, params: dict[str, Any]) -> Any:
        if self.webhook.get("url"):
            raise Refused(
                409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete it"
            )
        offset, limit = params.get("offset", 0), params.get("limit", 100)
        _check(1 <= limit <= 100, "limit is wrong")
        with self._lock:
            self._polls += 1
            mine = self._polls
            self.confirmed = max(self.confirmed, offset - 1)
            self._updates = [u for u in self._updates if u["update_id"] >= offset]
        deadline = time.monotonic() + params.get("timeout", 0)
        while True:
            if self.webhook.get("url"):
                raise Refused(409, "Conflict: terminated by setWebhook request")
            if self._polls != mine:
                raise Refused(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                )
            allowed = set(params.get("allowed_updates") or USUAL_KINDS)
            with self._lock:
                found = [u for u in self._updates if u.keys() & allowed][:limit]
            if found or self.closing or time.monotonic() >= deadline:
                return found
            await asyncio.sleep(POLL_S)

    async def _set_webhook(self, params: dict[str, Any]) -> Any:
        _check(params.get("url", "").startswith("https://"), "bad webhook: An HTTPS URL must be provided for webhook")
        self.webhook = params
        return True

    async def _delete_webhook(self, params: dict[str, Any]) -> Any:
        self.webhook = {}
        return True

    async def _get_webhook_info(self, params: dict[str, Any]) -> Any:
        waiting = len(self._updates)
        return {"url": self.webhook.get("url", ""), "has_custom_certificate": False, "pending_update_count": waiting}

    async def _send_message(self, params: dict[str, Any]) -> Any:
        chat = _required(params, "chat_id")
        content = _content(params)
        if chat in self.blocked:
            raise Refused(403, "Forbidden: bot was blocked by the user")
        message = {
            "message_id": self.new_id(),
            "date": int(time.time()),
            "chat": _chat(chat),
            "from": BOT,
            **content,
        }
        if "message_thread_id" in params:
            message |= {"message_thread_id": params["message_thread_id"], "is_topic_message": True}
        reply = params.get("reply_parameters")
        if reply:
            to = self.messages.get((chat, _required(reply, "message_id")))
            _check(to or reply.get("allow_sending_without_reply"), "message to be replied not found")
            message |= {"reply_to_message": _bare(to)} if to else {}
        return self.remember(message | _markup(params))

    async def _send_document(self, params: dict[str, Any]) -> Any:
        message = await self._send_message(params | {"text": params.get("caption", "") or " a file"})
        document = _required(params, "document")
        return self.remember({k: v for k, v in message.items() if k != "text"} | {"document": document, "text": ""})

    async def _send_photo(self, params: dict[str, Any]) -> Any:
        photo = _required(params, "photo")
        message = await self._send_message(params | {"text": params.get("caption", "") or " a picture"})
        size = {"file_id": photo["file_id"], "file_unique_id": photo["file_unique_id"], "width": 9, "height": 9}
        return self.remember(message | {"text": "", "caption": message["text"], "photo": [size]})

    async def _delete_my_commands(self, params: dict[str, Any]) -> Any:
        return True

    async def _get_file(self, params: dict[str, Any]) -> Any:
        file = _required(params, "file_id")
        _check(file in self.files, "invalid file_id")
        _check(len(self.files[file]) <= MAX_DOWNLOAD, "file is too big")
        return {"file_id": file, "file_unique_id": file, "file_path": f"documents/{file}"}

    async def _send_message_draft(self, params: dict[str, Any]) -> Any:
        chat, draft = _required(params, "chat_id"), _required(params, "draft_id")
        self.drafts[chat] = {"draft_id": draft, "text": params.get("text", "")}
        return True

    async def _edit_message_text(self, params: dict[str, Any]) -> Any:
        content = _content(params)
        message = self._mine(params)
        kept = {k: v for k, v in message.items() if k not in ("reply_markup", "text", "entities", "rich_message")}
        return self._changed(message, kept | content | _markup(params))

    async def _edit_message_reply_markup(self, params: dict[str, Any]) -> Any:
        message = self._mine(params)
        return self._changed(message, {k: v for k, v in message.items() if k != "reply_markup"} | _markup(params))

    async def _delete_message(self, params: dict[str, Any]) -> Any:
        self._mine(params)
        del self.messages[params["chat_id"], params["message_id"]]
        return True

    async def _answer_callback_query(self, params: dict[str, Any]) -> Any:
        press = _required(params, "callback_query_id")
        _check(press in self.answers, "query is too old and response timeout expired or query ID is invalid")
        self.answers[press] = {"text": params.get("text", ""), "show_alert": params.get("show_alert", False)}
        return True

    async def _answer_inline_query(self, params: dict[str, Any]) -> Any:
        query, results = _required(params, "inline_query_id"), _required(params, "results")
        _check(query in self.answers, "query is too old and response timeout expired or query ID is invalid")
        button = params.get("button")
        self.answers[query] = {"results": results, "button": button and button["text"]}
        return True

    async def _send_chat_action(self, params: dict[str, Any]) -> Any:
        _required(params, "chat_id"), _required(params, "action")
        return True

    async def _set_my_commands(self, params: dict[str, Any]) -> Any:
        return True

    def _mine(self, params: dict[str, Any]) -> dict[str, Any]:
        message = self.messages.get((_required(params, "chat_id"), _required(params, "message_id")))
        if message is None:
            raise Refused(400, "Bad Request: message to edit not found")
        _check(message["from"]["id"] == BOT["id"], "message can't be edited")
        return message

    def _changed(self, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
        same = (
            "message is not modified: specified new message content and reply markup are exactly the same as a current"
        )
        _check(before != after, same)
        return self.remember(after)

    # --- delivery by webhook ---

    async def deliver(self) -> None:
        """Call the webhook with each update, again and again until it answers with success."""
        async with AsyncExitStack() as opened:
            clients: dict[str | None, httpx.AsyncClient] = {}
            for turn in itertools.count():
                await asyncio.sleep(POLL_S)
                allowed = set(self.webhook.get("allowed_updates") or USUAL_KINDS)
                update = next((u for u in list(self._updates) if u.keys() & allowed), None)
                if update is None or not self.webhook.get("url"):
                    continue
                certificate = self.webhook.get("certificate", {}).get("file_id")
                if certificate not in clients:
                    clients[certificate] = await opened.enter_async_context(self._caller(certificate))
                url = self.webhook["url"] if certificate else self.webhook["url"].replace("https://", "http://", 1)
                url = self.replicas[turn % len(self.replicas)] if self.replicas else url
                headers = {"X-Telegram-Bot-Api-Secret-Token": self.webhook.get("secret_token", "")}
                try:
                    answer = await clients[certificate].post(url, json=update, headers=headers)
                except httpx.TransportError:
                    continue
                self.deliveries.append(answer.status_code)
                if answer.is_success:
                    self._updates.remove(update)

    def _caller(self, certificate: str | None) -> httpx.AsyncClient:
        """Who calls the webhook: past the proxy, or by TLS that trusts nothing but the certificate it was given."""
        trusted = ssl.create_default_context(cadata=self.files[certificate].decode()) if certificate else True
        return httpx.AsyncClient(timeout=60, trust_env=False, verify=trusted)


@dataclass
class Person:
    """Somebody who uses the bot, in private or in a group."""

    api: TelegramApi
    id: int
    name: str = "Ann"
    group: int | None = None
    topic: int | None = None
    language: str = "en"

    @property
    def chat_id(self) -> int:
        """Where the person writes."""
        return self.group or self.id

    @property
    def user(self) -> dict[str, Any]:
        """What Telegram says of the person."""
        return {"id": self.id, "is_bot": False, "first_name": self.name, "language_code": self.language}

    def send(self, text: str, reply_to: dict[str, Any] | None = None, **extra: Any) -> dict[str, Any]:
        """Write a text; commands and mentions in it are marked as Telegram marks them."""
        reply = {"reply_to_message": _bare(reply_to)} if reply_to else {}
        return self._post(text=text, entities=_entities(text), **reply, **extra)

    def edit(self, message: dict[str, Any], text: str) -> None:
        """Write something else in a message of one's own, or under its picture or recording."""
        said, marks = ("text", "entities") if "text" in message else ("caption", "caption_entities")
        edited = message | {said: text, marks: _entities(text), "edit_date": int(time.time())}
        self.api.push(edited_message=self.api.remember(edited))

    def send_photo(self, caption: str = "", **extra: Any) -> dict[str, Any]:
        """Send a picture."""
        self.api.files["f"] = b"a picture"
        size = {"file_id": "f", "file_unique_id": "u", "width": 9, "height": 9, "file_size": 99}
        marked = {"caption": caption, "caption_entities": _entities(caption)} if caption else {}
        return self._post(photo=[size], **marked, **extra)

    def send_voice(self, kind: str = "voice", caption: str = "", **fields: Any) -> dict[str, Any]:
        """Send a voice message, or a recording of another kind."""
        self.api.files["f"] = b"a recording"
        marked = {"caption": caption, "caption_entities": _entities(caption)} if caption else {}
        return self._post(**{kind: {"file_id": "f", "file_unique_id": "u", "duration": 2, **fields}}, **marked)

    def send_document(self, name: str, content: bytes | str, **extra: Any) -> dict[str, Any]:
        """Send a file, with a caption if one is given."""
        data = content if isinstance(content, bytes) else content.encode()
        file = f"file{self.api.new_id()}"
        self.api.files[file] = data
        document = {"file_id": file, "file_unique_id": file, "file_name": name, "file_size": len(data)}
        caption = extra.get("caption")
        marked = {"caption_entities": _entities(caption)} if caption else {}
        return self._post(document=document, **marked, **extra)

    def react(self, message: dict[str, Any], *emojis: str, before: tuple[str, ...] = ()) -> None:
        """Put reactions to a message, in the place of those before."""
        self.api.push(
            message_reaction={
                "chat": message["chat"],
                "message_id": message["message_id"],
                "user": self.user,
                "date": int(time.time()),
                "old_reaction": [{"type": "emoji", "emoji": emoji} for emoji in before],
                "new_reaction": [{"type": "emoji", "emoji": emoji} for emoji in emojis],
            }
        )

    def press(self, message: dict[str, Any], button: str) -> dict[str, Any]:
        """Press a button by its text, and return what the bot answers."""
        rows = self.api.messages[self.chat_id, message["message_id"]].get("reply_markup", {}).get("inline_keyboard", [])
        found = {b["text"]: b["callback_data"] for row in rows for b in row}
        assert button in found, f"no button {button} among {list(found)}"
        return self.press_data(message, found[button])

    def press_data(self, message: dict[str, Any], data: str) -> dict[str, Any]:
        """Send any callback data, as a program could."""
        press = str(self.api.new_id())
        self.api.answers[press] = {}
        self.api.push(
            callback_query={
                "id": press,
                "from": self.user,
                "chat_instance": "1",
                "data": data,
                "message": self.api.messages[self.chat_id, message["message_id"]],
            }
        )
        return until(lambda: self.api.answers[press], f"an answer to the button {data}")

    def ask_inline(self, query: str, seconds: float = 30) -> dict[str, Any]:
        """Write the bot's name and a query in some chat, and return what is offered above it."""
        asked = self.write_inline(query)
        return until(lambda: self.api.answers[asked], f"an answer to the inline query {query}", seconds)

    def write_inline(self, query: str) -> str:
        """Write the bot's name and what may be a part of a query, and return its id."""
        asked = str(self.api.new_id())
        self.api.answers[asked] = {}
        self.api.push(inline_query={"id": asked, "from": self.user, "query": query, "offset": "", "chat_type": "group"})
        return asked

    def seen(self) -> list[dict[str, Any]]:
        """What the bot has written to this chat."""
        return [m for m in self.api.chat(self.chat_id) if m["from"]["id"] == BOT["id"]]

    def wait(self, check: Callable[[dict[str, Any]], Any], seconds: float = 30) -> dict[str, Any]:
        """The first message of the bot in this chat for which the check is true."""
        return until(
            lambda: next((m for m in self.seen() if check(m)), None),
            lambda: f"a message, among {[m['text'] for m in self.seen()]}",
            seconds,
        )

    def wait_text(self, part: str, after: dict[str, Any] | None = None, seconds: float = 30) -> dict[str, Any]:
        """The first message of the bot with this text in it, later than another."""
        floor = after["message_id"] if after else 0
        return self.wait(lambda m: part in m["text"] and m["message_id"] > floor, seconds)

    def wait_answer(self, after: dict[str, Any], seconds: float = 30) -> dict[str, Any]:
        """The first complete answer (one with feedback buttons) after a message."""
        return self.wait(lambda m: m["message_id"] > after["message_id"] and "👍" in buttons(m), seconds)

    def _post(self, **content: Any) -> dict[str, Any]:
        kind = {"type": "group", "title": "Team"} if self.group else {"type": "private", "first_name": self.name}
        topic = {"message_thread_id": self.topic, "is_topic_message": True} if self.topic else {}
        message = {
            "message_id": self.api.new_id(),
            "date": int(time.time()),
            "chat": {"id": self.chat_id, **kind},
            "from": self.user,
            **topic,
            **content,
        }
        self.api.push(message=self.api.remember(message))
        return message


def buttons(message: dict[str, Any]) -> list[str]:
    """The texts of a message's buttons."""
    return [b["text"] for row in message.get("reply_markup", {}).get("inline_keyboard", []) for b in row]


@contextmanager
def telegram() -> Iterator[TelegramApi]:
    """A running server on a free port."""
    api = TelegramApi()
    routes = [
        Route("/bot{token}/{method}", api.handle, methods=["POST"]),
        Route("/file/bot{token}/{path:path}", api.download, methods=["GET"]),
    ]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=0, log_config=None, access_log=False))

    async def serve() -> None:
        delivering = asyncio.create_task(api.deliver())
        await server.serve()
        delivering.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        until(lambda: server.started, "the Bot API")
        api.base = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield api
    finally:
        api.closing = server.should_exit = True
        thread.join()
        record((call.method, call.params) for call in api.journal)


async def _params_of(request: Request, files: dict[str, bytes]) -> dict[str, Any]:
    """The parameters of a call; a file that is sent along is kept, and stands in its parameter as Telegram tells it."""
    if not request.headers.get("content-type", "").startswith("multipart/"):
        return _params((await request.body()).decode())
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + await request.body(), policy=email.policy.HTTP).iter_parts()
    found = {part.get_param("name", header="content-disposition"): part for part in parts}
    texts = {name: part for name, part in found.items() if part.get_filename() is None}
    plain = {name: part.get_payload(decode=True).decode() for name, part in texts.items()}
    params = _params(urllib.parse.urlencode(plain))
    for name, part in found.items():
        if name not in plain:
            files[name] = part.get_payload(decode=True)
            parameter = next((p for p, v in plain.items() if v == f"attach://{name}"), name)
            params[parameter] = {"file_id": name, "file_unique_id": name, "file_name": part.get_filename()}
    return params


def _params(body: str) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, value in urllib.parse.parse_qsl(body, keep_blank_values=True):
        if name in JSON_FIELDS:
            params[name] = json.loads(value)
        elif name in NUMBERS:
            params[name] = int(value)
        else:
            params[name] = value == "true" if name in FLAGS else value
    return params


def _required(params: dict[str, Any], name: str) -> Any:
    _check(name in params, f"parameter {name} is required")
    return params[name]


def _check(holds: Any, description: str) -> None:
    if not holds:
        raise Refused(400, f"Bad Request: {description}")


def _check_call(method: str, params: dict[str, Any]) -> None:
    try:
        accept_call(method, params)
    except Invalid as invalid:
        raise Refused(400, f"Bad Request: {invalid}") from None
    except KeyError as missing:
        raise Refused(400, f"Bad Request: parameter {missing} is required") from None


def _content(params: dict[str, Any]) -> dict[str, Any]:
    if "rich_message" in params:
        return {"text": "", "rich_message": {"blocks": [], **params["rich_message"]}}
    entities = params.get("entities", [])
    text = accept(params.get("text", ""), entities)
    return {"text": text} | ({"entities": entities} if entities else {})


def _markup(params: dict[str, Any]) -> dict[str, Any]:
    markup = params.get("reply_markup")
    if markup is None or "inline_keyboard" not in markup:
        return {}
    return {"reply_markup": markup} if markup["inline_keyboard"] else {}


def _chat(chat_id: int) -> dict[str, Any]:
    return (
        {"id": chat_id, "type": "private", "first_name": "A"}
        if chat_id > 0
        else {
            "id": chat_id,
            "type": "group",
            "title": "Team",
        }
    )


def _bare(message: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in message.items() if k != "reply_to_message"}


def _entities(text: str) -> list[dict[str, Any]]:
    found, offset = [], 0
    for word in text.split(" "):
        kind = "bot_command" if word.startswith("/") else "mention" if word.startswith("@") else None
        if kind and len(word) > 1:
            found.append({"type": kind, "offset": offset, "length": units(word)})
        offset += units(word) + 1
    return found


_METHODS = {
    "getMe": TelegramApi._get_me,
    "getUpdates": TelegramApi._get_updates,
    "setWebhook": TelegramApi._set_webhook,
    "deleteWebhook": TelegramApi._delete_webhook,
    "getWebhookInfo": TelegramApi._get_webhook_info,
    "sendMessage": TelegramApi._send_message,
    "sendDocument": TelegramApi._send_document,
    "sendPhoto": TelegramApi._send_photo,
    "getFile": TelegramApi._get_file,
    "sendRichMessage": TelegramApi._send_message,
    "sendMessageDraft": TelegramApi._send_message_draft,
    "editMessageText": TelegramApi._edit_message_text,
    "editMessageReplyMarkup": TelegramApi._edit_message_reply_markup,
    "deleteMessage": TelegramApi._delete_message,
    "answerCallbackQuery": TelegramApi._answer_callback_query,
    "answerInlineQuery": TelegramApi._answer_inline_query,
    "sendChatAction": TelegramApi._send_chat_action,
    "setMyCommands": TelegramApi._set_my_commands,
    "deleteMyCommands": TelegramApi._delete_my_commands,
}
