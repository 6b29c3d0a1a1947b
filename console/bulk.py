"""Many decisions at once: about everything that a filter finds, or about answers to nearly the same question."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.item import about
from console.pages import show
from console.queue import form, go_on
from console.selection import Selection, carried, selection
from console.who import Operator, needs, operator
from console.worklist import Worklist
from core.errors import InvalidInput
from core.records import Decision, Scope
from feedback.batches import Batch
from feedback.turns import question

DECISIONS: tuple[Decision, ...] = ("approve", "edit", "reject")


class BulkPages:
    """A count and a confirmation, the batch while it runs, and its undo; and what is similar to an item."""

    def __init__(self, work: Worklist):
        self._work = work

    def routes(self) -> list[Route]:
        """The pages, and what their buttons call."""
        return [
            Route("/review/bulk", needs("reviewer", self._ask), methods=["GET"]),
            Route("/review/bulk", needs("reviewer", self._begin), methods=["POST"]),
            Route("/review/bulk/{batch}", needs("reviewer", self._go_on), methods=["POST"]),
            Route("/review/bulk/{batch}/undo", needs("reviewer", self._undo), methods=["POST"]),
            Route("/review/{turn}/similar", needs("reviewer", self._similar), methods=["GET"]),
            Route("/review/{turn}/similar", needs("reviewer", self._decide_similar), methods=["POST"]),
        ]

    async def _ask(self, request: Request) -> Response:
        selected, me = selection(request.query_params), operator(request).name
        ids, taken = await asyncio.to_thread(self._free, selected, me)
        return show(request, "bulk.html", {"selected": selected, "count": len(ids), "taken": taken})

    async def _begin(self, request: Request) -> Response:
        fields, me = await form(request), operator(request)
        selected, decision = carried(fields), _decision(fields)

        def begin() -> Batch:
            ids, _ = self._free(selected, me.name)
            batch = self._work.batches.begin(ids)
            self._work.audit.note(me.name, f"bulk {decision}", batch.id, f"answers: {len(ids)}")
            return batch

        batch = await asyncio.to_thread(begin)
        return show(request, "batch.html", _facts(batch, fields, selected, total=batch.waiting))

    async def _go_on(self, request: Request) -> Response:
        """Decide the next chunk; the page asks for the rest by itself."""
        fields, me, batch_id = await form(request), operator(request).name, request.path_params["batch"]
        decision, scope = _decision(fields), _scope(fields)

        def decide() -> Batch:
            spared = self._work.claims.of_others(me)
            return self._work.batches.decide(batch_id, decision, me, scope, fields.get("why", ""), spared=spared)

        batch = await asyncio.to_thread(decide)
        return self._shown(request, _facts(batch, fields, carried(fields), _total(fields)))

    async def _undo(self, request: Request) -> Response:
        fields, me, batch_id = await form(request), operator(request), request.path_params["batch"]
        if fields.get("undoing") != "yes":
            await asyncio.to_thread(self._work.audit.note, me.name, "bulk undo", batch_id)
        batch = await asyncio.to_thread(self._work.batches.undo, batch_id)
        facts = _facts(batch, fields, carried(fields), _total(fields)) | {"undoing": True}
        return self._shown(request, facts)

    def _shown(self, request: Request, facts: dict[str, Any]) -> Response:
        return show(request, "progress.html" if "hx-request" in request.headers else "batch.html", facts)

    def _free(self, selected: Selection, me: str) -> tuple[list[str], int]:
        """What a selection holds, without what other operators have open; and how many these are."""
        found = list(self._work.backlog.find(selected.filter))
        taken = self._work.claims.of_others(me)
        free = [turn for turn in found if turn not in taken]
        return free, len(found) - len(free)

    async def _similar(self, request: Request) -> Response:
        turn_id, me = request.path_params["turn"], operator(request).name
        item = await asyncio.to_thread(self._work.reviews.item, turn_id)
        others = await asyncio.to_thread(self._work.backlog.questions)
        taken = await asyncio.to_thread(self._work.claims.of_others, me)
        others = {turn: asked for turn, asked in others.items() if turn != turn_id and turn not in taken}
        near = await self._work.neighbours.of(question(item.turn), others)
        items = [other for turn in near if (other := await asyncio.to_thread(self._work.waiting, turn))]
        notes = await asyncio.to_thread(self._work.notebook.of, turn_id, me)
        facts = about(item) | {
            "alike": [(other, question(other.turn), near[other.turn.id]) for other in items],
            "text": notes.edit or item.suggestion,
            "selected": selection(request.query_params),
        }
        return show(request, "alike.html" if "hx-request" in request.headers else "similar.html", facts)

    async def _decide_similar(self, request: Request) -> Response:
        fields, ticked = await form(request), (await request.form()).getlist("turn")
        turns = [request.path_params["turn"], *(str(turn) for turn in ticked)]
        return await asyncio.to_thread(self._decided_together, turns, fields, operator(request))

    def _decided_together(self, turns: list[str], fields: dict[str, str], me: Operator) -> Response:
        work, decision, text = self._work, _decision(fields), fields.get("text", "")
        if decision == "edit" and not text.strip():
            raise InvalidInput("an approved answer cannot be empty; reject them, or write one.", "approved_empty")
        batch = work.batches.begin(turns)
        spared = work.claims.of_others(me.name)
        batch = work.batches.decide(batch.id, decision, me.name, _scope(fields), fields.get("why", ""), text, spared)
        work.audit.note(me.name, f"bulk {decision}", batch.id, f"answers: {batch.made}")
        work.notebook.drop_edit(turns[0], me.name)
        return go_on(work, me.name, carried(fields), turns[0], done=f"batch:{batch.id}", scope=_scope(fields))


def _decision(fields: dict[str, str]) -> Decision:
    for decision in DECISIONS:
        if fields.get("decision") == decision:
            return decision
    raise InvalidInput("the decision is missing; approve the answers, or reject them.")


def _scope(fields: dict[str, str]) -> Scope:
    return "everyone" if fields.get("scope") == "everyone" else "chat"


def _total(fields: dict[str, str]) -> int:
    total = fields.get("total", "")
    return int(total) if total.isdecimal() else 0


def _facts(batch: Batch, fields: dict[str, str], selected: Selection, total: int) -> dict[str, Any]:
    kept = {name: fields[name] for name in ("decision", "scope", "why") if name in fields}
    return {"batch": batch, "kept": kept, "selected": selected, "total": total}
