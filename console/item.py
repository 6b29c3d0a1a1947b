"""One answer that waits for a decision: everything it rests on, the decision itself, and what operators note."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.details import of_turn
from console.pages import show
from console.queue import form, go_on
from console.selection import Selection, carried, selection
from console.who import Operator, needs, operator
from console.worklist import Worklist
from core.errors import InvalidInput
from core.records import Review, Scope
from feedback.changes import changes
from feedback.ratings import preferred_to
from feedback.reviews import QueueItem
from feedback.shown import approvable
from feedback.turns import question, stays_in_chat

DECISIONS = ("approve", "reject")


class ItemPages:
    """The page of an item, and what its buttons and keys call."""

    def __init__(self, work: Worklist):
        self._work = work

    def routes(self) -> list[Route]:
        """The page, and what its buttons call."""
        posts = {
            "decide": self._decide,
            "skip": self._skip,
            "claim": self._claim,
            "leave": self._leave,
            "draft": self._draft,
            "tag": self._tag,
            "untag": self._untag,
            "comment": self._comment,
            "undo": self._undo,
            "amend": self._amend,
        }
        return [
            Route("/review/{turn}", self._page, methods=["GET"]),
            *(Route(f"/review/{{turn}}/{do}", needs("reviewer", how), methods=["POST"]) for do, how in posts.items()),
        ]

    async def _page(self, request: Request) -> Response:
        facts = await asyncio.to_thread(self._facts, request, operator(request))
        return show(request, "item.html", facts)

    def _facts(self, request: Request, me: Operator) -> dict[str, Any]:
        """What the page shows; an item that waits is claimed for whoever may decide it."""
        work, turn_id = self._work, request.path_params["turn"]
        item = work.reviews.item(turn_id)
        waits = bool(item.why)
        mine = me.may("reviewer") and (not waits or work.claims.first_free(me.name, [turn_id]) is not None)
        notes = work.notebook.of(turn_id, me.name)
        other = preferred_to(item.votes)
        return about(item) | {
            "preferred_to": work.turns.get_many([other]).get(other) if other else None,
            "details": of_turn(item.turn),
            "selected": selection(request.query_params),
            "may_decide": mine,
            "taken": me.may("reviewer") and not mine,
            "claimed": mine and waits,
            "scope": request.query_params.get("scope", "chat"),
            "notes": notes,
            "known_tags": work.notebook.tags(),
            "text": notes.edit or item.suggestion,
            "decided": work.reviews.get(turn_id),
            "waiting": work.reviews.waiting(),
            "done": work.done(request.query_params.get("done", "")),
        }

    async def _decide(self, request: Request) -> Response:
        fields, me = await form(request), operator(request)
        try:
            return await asyncio.to_thread(self._decided, request.path_params["turn"], fields, me)
        except InvalidInput as error:
            facts = await asyncio.to_thread(self._facts, request, me)
            told = {"problem": str(error), "selected": carried(fields), "scope": fields.get("scope", "chat")}
            text = fields.get("text") or facts["text"]
            return show(request, "item.html", facts | told | {"text": text}, status=400)

    def _decided(self, turn_id: str, fields: dict[str, str], me: Operator) -> Response:
        work, selected = self._work, carried(fields)
        item = work.reviews.item(turn_id)
        scope: Scope = "everyone" if fields.get("scope") == "everyone" else "chat"
        if fields.get("seen") != seen(item):
            raise InvalidInput("something was said or decided about this answer meanwhile; look at it again.")
        if work.claims.first_free(me.name, [turn_id]) is None:
            raise InvalidInput("another operator has this answer open; go on with the next one.")
        if fields.get("decision") not in DECISIONS:
            raise InvalidInput("the decision is missing; approve the answer, or reject it.")
        if fields["decision"] == "reject":
            made = work.reviews.decide(turn_id, "reject", me.name, scope, why=fields.get("why", ""))
        else:
            made = approved(work, item, me.name, scope, fields.get("text", ""))
        work.notebook.drop_edit(turn_id, me.name)
        return go_on(work, me.name, selected, turn_id, done=f"{turn_id}:{made.created_at}", scope=scope)

    async def _skip(self, request: Request) -> Response:
        fields, me, turn_id = await form(request), operator(request).name, request.path_params["turn"]

        def skip() -> Response:
            self._work.walks.skip(self._work.author(me), turn_id)
            return go_on(self._work, me, carried(fields), turn_id, scope=fields.get("scope", "chat"))

        return await asyncio.to_thread(skip)

    async def _undo(self, request: Request) -> Response:
        fields, turn_id = await form(request), request.path_params["turn"]
        made_at = fields.get("made_at", "")
        if not made_at.isdecimal():
            raise InvalidInput("which decision is to be undone is missing; load the page again.")
        await asyncio.to_thread(self._work.reviews.undo, turn_id, int(made_at), operator(request).name)
        return _back(carried(fields), turn_id)

    async def _claim(self, request: Request) -> Response:
        """The page is still open."""
        me, turn_id = operator(request).name, request.path_params["turn"]
        if await asyncio.to_thread(self._work.claims.first_free, me, [turn_id]) is None:
            raise InvalidInput("another operator has this answer open now; go on with the next one.")
        return Response(status_code=204)

    async def _leave(self, request: Request) -> Response:
        """The page was closed."""
        await asyncio.to_thread(self._work.claims.give_back, operator(request).name, request.path_params["turn"])
        return Response(status_code=204)

    async def _draft(self, request: Request) -> Response:
        fields, me, turn_id = await form(request), operator(request).name, request.path_params["turn"]

        def keep() -> None:
            text = fields.get("text", "")
            unchanged = text.strip() == self._work.reviews.item(turn_id).suggestion.strip()
            self._work.notebook.keep_edit(turn_id, me, "" if unchanged else text)

        await asyncio.to_thread(keep)
        return Response(status_code=204)

    async def _tag(self, request: Request) -> Response:
        fields, turn_id = await form(request), request.path_params["turn"]
        await asyncio.to_thread(self._work.notebook.tag, turn_id, fields.get("tag", ""))
        return await self._noted(request, fields, "tag")

    async def _untag(self, request: Request) -> Response:
        fields, turn_id = await form(request), request.path_params["turn"]
        await asyncio.to_thread(self._work.notebook.untag, turn_id, fields.get("tag", ""))
        return await self._noted(request, fields, "untag")

    async def _comment(self, request: Request) -> Response:
        fields, me = await form(request), operator(request).name
        await asyncio.to_thread(self._work.notebook.comment, request.path_params["turn"], me, fields.get("comment", ""))
        return await self._noted(request, fields, "comment")

    async def _noted(self, request: Request, fields: dict[str, str], what: str) -> Response:
        """The notes as they stand after what was done: the part of the page for htmx, else the page."""
        selected, turn_id = carried(fields), request.path_params["turn"]
        await asyncio.to_thread(self._work.audit.note, operator(request).name, what, turn_id)
        if "hx-request" not in request.headers:
            return _back(selected, turn_id)
        notes = await asyncio.to_thread(self._work.notebook.of, turn_id, operator(request).name)
        known = await asyncio.to_thread(self._work.notebook.tags)
        facts = {"notes": notes, "known_tags": known, "turn_id": turn_id, "selected": selected, "may_decide": True}
        return show(request, "notes.html", facts)

    async def _amend(self, request: Request) -> Response:
        """The edited answer goes to whoever asked, who did not like the first."""
        fields, turn_id = await form(request), request.path_params["turn"]
        me = operator(request).name
        await asyncio.to_thread(self._work.amends.ask, turn_id, me)
        return await asyncio.to_thread(go_on, self._work, me, carried(fields))


def about(item: QueueItem) -> dict[str, Any]:
    """What an item's page tells of the item itself."""
    turn = item.turn
    suggested = bool(item.corrections) or item.suggestion != turn.reply
    return {
        "item": item,
        "turn_id": turn.id,
        "question": question(turn),
        "conversation": [(question(past), past.reply) for past in item.conversation],
        "changes": changes(approvable(turn), item.suggestion) if suggested else (),
        "stays": stays_in_chat([*item.conversation, turn]),
        "seen": seen(item),
    }


def approved(work: Worklist, item: QueueItem, me: str, scope: Scope, text: str) -> Review:
    """Approve a text: as it was suggested, or as an edit.

    Raises: InvalidInput where it is empty, or the scope is refused.
    """
    if not text.strip():
        raise InvalidInput("an approved answer cannot be empty; reject it, or write one.", "approved_empty")
    return work.reviews.approve(item, me, scope, "" if text.strip() == item.suggestion.strip() else text)


def seen(item: QueueItem) -> str:
    """By what a form knows again what its page showed: the newest thing said, and whether it waits."""
    said = max((event.created_at for event in (*item.votes, *item.corrections)), default=0)
    return f"{said}:{item.why}"


def _back(selected: Selection, turn_id: str) -> Response:
    return RedirectResponse(selected.leading(f"/review/{turn_id}"), 303)
