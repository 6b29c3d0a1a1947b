"""The review queue's pages: what waits, what was decided, and any part of it as JSONL."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from console.pages import show
from console.selection import Selection, carried, selection
from console.who import needs, operator
from console.worklist import Worklist
from core.records import Reason, Review
from feedback.backlog import KINDS
from feedback.opinions import agreement
from feedback.order import REASONS
from feedback.reviews import QueueItem
from feedback.turns import messages, question

SHOWN = 50
EXPORTED_AT_ONCE = 100


class QueuePages:
    """Lists, and where an operator's walk begins."""

    def __init__(self, work: Worklist):
        self._work = work

    def routes(self) -> list[Route]:
        """The pages, and what their buttons call."""
        return [
            Route("/review", self._list, methods=["GET"]),
            Route("/review/next", needs("reviewer", self._next), methods=["GET"]),
            Route("/review/again", needs("reviewer", self._again), methods=["POST"]),
            Route("/review/export", needs("reviewer", self._export), methods=["GET"]),
            Route("/review/decided", self._decided, methods=["GET"]),
        ]

    async def _list(self, request: Request) -> Response:
        selected, number = selection(request.query_params), _number(request)
        me = operator(request)
        facts = await asyncio.to_thread(self._listed, selected, number, me.name)
        done = await asyncio.to_thread(self._work.done, request.query_params.get("done", ""))
        return show(request, "review.html", facts | {"may_decide": me.may("reviewer"), "done": done})

    def _listed(self, selected: Selection, number: int, me: str) -> dict[str, Any]:
        work = self._work
        found = work.backlog.find(selected.filter)
        skipped = work.walks.skipped(work.author(me))
        last = max(1, -(-len(found) // SHOWN))
        number = min(number, last)
        return {
            "rows": self._rows(dict(islice(found.items(), (number - 1) * SHOWN, number * SHOWN)), me),
            "count": len(found),
            "skipped": len(skipped & found.keys()),
            "page": number,
            "last": last,
            "selected": selected,
            "kinds": KINDS,
            "whys": REASONS,
            "reasons": get_args(Reason),
            "languages": work.backlog.languages(),
            "tags": work.notebook.tags(),
        }

    def _rows(self, shown: Mapping[str, str], me: str) -> list[dict[str, Any]]:
        """What the list tells of each turn that is still kept."""
        found = self._work.turns.get_many(list(shown))
        taken = self._work.claims.of_others(me)
        said = self._work.ratings.said_about(list(found))
        return [
            {
                "turn": turn,
                "question": question(turn),
                "why": shown[turn.id],
                "said": about,
                "taken": turn.id in taken,
            }
            for turn, about in zip(found.values(), said, strict=True)
        ]

    async def _next(self, request: Request) -> Response:
        selected, after = selection(request.query_params), request.query_params.get("after", "")
        return await asyncio.to_thread(go_on, self._work, operator(request).name, selected, after)

    async def _again(self, request: Request) -> Response:
        """What was skipped is offered again."""
        me, selected = operator(request).name, carried(await form(request))
        await asyncio.to_thread(self._work.walks.begin, self._work.author(me))
        return RedirectResponse(selected.leading("/review/next"), 303)

    async def _export(self, request: Request) -> Response:
        selected = selection(request.query_params)
        found = await asyncio.to_thread(self._work.backlog.find, selected.filter)
        await asyncio.to_thread(self._work.audit.note, operator(request).name, "export", "", f"answers: {len(found)}")
        headers = {"Content-Disposition": 'attachment; filename="review.jsonl"'}
        return StreamingResponse(self._lines(found), media_type="application/x-ndjson", headers=headers)

    def _lines(self, found: Mapping[str, str]) -> Iterator[str]:
        """One JSON object a line; of people only what they wrote."""
        ids = list(found)
        for at in range(0, len(ids), EXPORTED_AT_ONCE):
            turns = self._work.turns.get_many(ids[at : at + EXPORTED_AT_ONCE])
            said = self._work.ratings.said_about(list(turns))
            for turn, about in zip(turns.values(), said, strict=True):
                past = tuple(self._work.turns.conversation(turn.parent))
                item = QueueItem(turn, past, about.votes, about.corrections, about.regenerations, found[turn.id])
                yield json.dumps(_exported(item), ensure_ascii=False) + "\n"

    async def _decided(self, request: Request) -> Response:
        number = _number(request)
        facts = await asyncio.to_thread(self._history, number)
        return show(request, "decided.html", facts | {"may_decide": operator(request).may("reviewer")})

    def _history(self, number: int) -> dict[str, Any]:
        work = self._work
        decided = work.reviews.decided((number - 1) * SHOWN, SHOWN + 1)
        opinions = work.opinions.all()
        turns = work.turns.get_many([r.turn for r in decided[:SHOWN]] + [o.turn for o in opinions])
        return {
            "rows": [_decided(review, turns) for review in decided[:SHOWN] if review.turn in turns],
            "page": number,
            "more": len(decided) > SHOWN,
            "agreement": agreement(opinions),
            "disputed": [(o, question(turns[o.turn])) for o in opinions if o.first != o.verdict and o.turn in turns],
        }


def go_on(work: Worklist, me: str, selected: Selection, after: str = "", **told: str) -> Response:
    """Lead an operator to the next item of a selection, or to the list where nothing is left."""
    if after:
        work.claims.give_back(me, after)
    item = work.next(me, selected, after)
    return RedirectResponse(selected.leading(f"/review/{item.turn.id}" if item else "/review", **told), 303)


async def form(request: Request) -> dict[str, str]:
    """The fields of a form; of several of one name the last."""
    return {name: str(value).replace("\r\n", "\n") for name, value in (await request.form()).items()}


def _number(request: Request) -> int:
    number = request.query_params.get("page", "1")
    return max(1, int(number)) if number.isdecimal() and len(number) < 7 else 1


def _decided(review: Review, turns: dict[str, Any]) -> dict[str, Any]:
    return {"review": review, "question": question(turns[review.turn])}


def _exported(item: QueueItem) -> dict[str, Any]:
    turn = item.turn
    chat = [*messages(item.conversation), *turn.messages]
    return {
        "turn": turn.id,
        "messages": [{"role": m.role, "content": m.content} for m in chat],
        "completion": turn.reply,
        "suggestion": item.suggestion,
        "why": item.why,
        "corrections": [c.text for c in item.corrections],
        "thumbs": [{"value": v.value, "reason": v.reason} for v in item.votes],
        "passages": [{k: v for k, v in asdict(p).items() if k in ("source", "title", "text")} for p in turn.passages],
        "adapter": turn.adapter,
        "asked_at": turn.created_at,
    }
