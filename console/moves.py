"""What an operator does with versions: promote, try, roll back, retire. Nothing moves before it is confirmed."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.aliases import MARKED, RETIRED, Aliases, Canary
from adapters.registry import Registry, Version
from console.pages import show
from console.who import Operator, needs, operator
from core.errors import AliasMoved, InvalidInput
from core.records import BASE

WHY = "confirmed in the console"
MOVED = (
    "the versions moved since this was shown, and nothing was done; look again, and repeat it if it is still wanted."
)
SHARES = (0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True, slots=True)
class Move:
    """What would happen, in sentences, and the button that lets it; with `shares` one is to be chosen."""

    title: str
    sentences: tuple[str, ...]
    button: str
    seen: str
    shares: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the names point, and the version that something is to be done with; None for the base model."""

    aliases: Aliases
    version: Version | None

    @property
    def id(self) -> str:
        """The version's id, or `base`."""
        return self.version.id if self.version else BASE

    @property
    def trial(self) -> Canary:
        """The version on trial.

        Raises: InvalidInput where none is.
        """
        if self.aliases.canary is None:
            raise InvalidInput("no version is on trial any more; the list of adapters shows which there are.")
        return self.aliases.canary

    @property
    def seen(self) -> str:
        """A digest of all that a confirmation tells, to be held against what holds when it comes."""
        version = self.version
        facts = (version.status, version.refused, version.marked, version.report is None) if version else ()
        return hashlib.sha256(repr((self.aliases, self.id, facts)).encode()).hexdigest()[:32]


class Moves:
    """The confirmations, and what they confirm."""

    def __init__(self, registry: Registry):
        self._registry = registry

    def routes(self) -> list[Route]:
        """A page that asks and an act, for each."""
        return [
            *self._both("/adapters/rollback", shall_i_roll_back, self._roll_back),
            *self._both("/adapters/share", shall_i_share, self._share),
            *self._both("/adapters/{version}/promote", shall_i_promote, self._promote),
            *self._both("/adapters/{version}/try", shall_i_try, self._try),
            *self._both("/adapters/{version}/retire", shall_i_retire, self._retire),
        ]

    def _both(self, path: str, ask: Callable[[Standing], Move], act: Callable[..., str]) -> list[Route]:
        """Routes for one move: GET says what it would do, POST does it if that still holds."""

        async def asking(request: Request) -> Response:
            standing = await asyncio.to_thread(self._standing, request.path_params)
            return show(request, "confirm.html", {"move": ask(standing)})

        async def acting(request: Request) -> Response:
            form = await request.form()
            given = {name: str(value) for name, value in form.items()}
            said = await asyncio.to_thread(self._act, act, request.path_params, given, operator(request))
            return show(request, "moved.html", {"said": said})

        name = path.rsplit("/", 1)[1]
        return [
            Route(path, needs("admin", asking), methods=["GET"], name=f"shall I {name}"),
            Route(path, needs("admin", acting), methods=["POST"], name=name),
        ]

    def _standing(self, params: dict[str, Any]) -> Standing:
        wanted = params.get("version", BASE)
        aliases = self._registry.aliases()
        return Standing(aliases, None if wanted == BASE else self._registry.get(wanted))

    def _act(self, act: Callable[..., str], params: dict[str, Any], given: dict[str, str], who: Operator) -> str:
        """What was done, in a sentence.

        Raises: AliasMoved where it is not as it was shown; InvalidInput, NotFound, StoreUnavailable.
        """
        standing = self._standing(params)
        if standing.seen != given.get("seen"):
            raise AliasMoved(MOVED)
        return act(standing, given, who.name)

    def _promote(self, standing: Standing, given: dict[str, str], who: str) -> str:
        self._registry.promote(standing.id, who, WHY, seen=standing.aliases)
        if self._registry.aliases().live == standing.id:
            return f"{_short(standing.id)} is live."
        return f"{_short(standing.id)} is live as soon as every serving process has it."

    def _try(self, standing: Standing, given: dict[str, str], who: str) -> str:
        share = _share(given.get("share", ""))
        aliases = standing.aliases
        self._registry.start_canary(standing.id, share, who, WHY, None, aliases.live, seen=aliases)
        return f"{_short(standing.id)} is tried with {share:.0%} of the chats as soon as every serving process has it."

    def _share(self, standing: Standing, given: dict[str, str], who: str) -> str:
        share = _share(given.get("share", ""))
        self._registry.share_canary(share, who, WHY, seen=standing.aliases)
        return f"{_short(standing.trial.version)} is tried with {share:.0%} of the chats now."

    def _roll_back(self, standing: Standing, given: dict[str, str], who: str) -> str:
        aliases = standing.aliases
        taken_back = aliases.canary.version if aliases.canary else aliases.live
        live = self._registry.rollback(who, WHY, seen=aliases)
        return f"{_short(taken_back)} is taken back, and {_short(live)} is live."

    def _retire(self, standing: Standing, given: dict[str, str], who: str) -> str:
        if standing.version is None:
            raise InvalidInput("the base model cannot be retired.")
        self._registry.retire(standing.id, who, WHY)
        return f"{_short(standing.id)} is retired."


def shall_i_promote(standing: Standing) -> Move:
    """What a promotion would do. Raises: InvalidInput where it cannot be done."""
    aliases, version = standing.aliases, standing.version
    _may_answer(version)
    if aliases.live == standing.id and not (aliases.canary or aliases.incoming):
        raise InvalidInput(f"{_short(standing.id)} is live already.")
    said = [
        f"Every chat is answered by {_short(standing.id)} as soon as every serving process has it. "
        f"Now {_short(aliases.live)} is live. Answers that are running end as they began."
    ]
    if aliases.canary and aliases.canary.version != standing.id:
        said.append(f"The trial of {_short(aliases.canary.version)} ends without a verdict.")
    if aliases.canary and aliases.canary.version == standing.id:
        said.append("Its trial ends, and it answers every chat.")
    if aliases.incoming and aliases.incoming != standing.id:
        said.append(f"{_short(aliases.incoming)}, which is about to be live, stays a candidate.")
    return Move(f"Promote {_short(standing.id)}?", (*said, *_doubts(version)), "Promote", standing.seen)


def shall_i_try(standing: Standing) -> Move:
    """What a trial would do. Raises: InvalidInput where it cannot be done."""
    aliases, version = standing.aliases, standing.version
    _may_answer(version)
    if version is None or version.status in ("live", "incoming"):
        raise InvalidInput(f"{_short(standing.id)} is not tried: it answers every chat, or is about to.")
    if version.status == "rejected":
        raise InvalidInput(f"{_short(version.id)} was rejected, and is tried with nobody.")
    if aliases.canary or aliases.incoming:
        coming = aliases.canary.version if aliases.canary else str(aliases.incoming)
        raise InvalidInput(f"{_short(coming)} is on its way already; one version is tried at a time.")
    said = (
        f"The share of the chats that you choose is answered by {_short(version.id)}, always the same ones; "
        f"{_short(aliases.live)} answers the others. No refresh begins meanwhile.",
        "Its answers are judged against those of the live version by how people take them: if they are worse it is "
        "taken back by itself, if they are no worse it becomes live by itself.",
    )
    return Move(f"Try {_short(version.id)}?", (*said, *_doubts(version)), "Start the trial", standing.seen, SHARES)


def shall_i_share(standing: Standing) -> Move:
    """What another share of a trial would do. Raises: InvalidInput where there is none."""
    canary, live = standing.trial, _short(standing.aliases.live)
    version = _short(canary.version)
    said = (
        f"Now {version} answers {canary.share:.0%} of the chats. A larger share adds others, at once; a smaller one "
        f"gives some of them back to {live}. No other chat changes the version that answers it.",
        "The trial goes on with what was counted so far, and ends when it would have ended. A chat that changes over "
        "is left out of the hour in which it does, and of that alone.",
    )
    shares = tuple(share for share in SHARES if share != canary.share)
    return Move(f"Try {version} with another share?", said, "Change the share", standing.seen, shares)


def shall_i_roll_back(standing: Standing) -> Move:
    """What a rollback would do. Raises: InvalidInput where there is nothing to go back to."""
    aliases = standing.aliases
    if aliases.canary:
        said = f"Its trial ends at once, it counts as rejected, and {_short(aliases.live)} answers every chat."
        title = f"Take {_short(aliases.canary.version)} back?"
    elif aliases.previous is None:
        raise InvalidInput("there is no earlier version to go back to.")
    else:
        said = f"It counts as rejected, and {_short(aliases.previous)} is live again at once."
        title = f"Take {_short(aliases.live)} back?"
    sentences = [said, "A rejected version is never promoted by itself; you can still promote it."]
    if aliases.incoming and not aliases.canary:
        sentences.append(f"{_short(aliases.incoming)}, which is about to be live, stays a candidate.")
    return Move(title, tuple(sentences), "Take it back", standing.seen)


def shall_i_retire(standing: Standing) -> Move:
    """What a retirement would do. Raises: InvalidInput where it cannot be done."""
    version = standing.version
    if version is None:
        raise InvalidInput("the base model cannot be retired.")
    if version.status == "retired":
        raise InvalidInput(f"{_short(version.id)} is retired already.")
    if version.status in ("live", "incoming", "canary", "previous"):
        raise InvalidInput(
            f"{_short(version.id)} is live, on its way or what a rollback returns to; promote another one first."
        )
    said = (
        f"{_short(version.id)} is put away for good: nobody can promote it or try it again, and its files are removed.",
        "What is known of it stays: this page, what the gate found, and what it learned from.",
    )
    return Move(f"Retire {_short(version.id)}?", said, "Retire for good", standing.seen)


def _may_answer(version: Version | None) -> None:
    if version and version.marked:
        raise InvalidInput(MARKED)
    if version and version.status == "retired":
        raise InvalidInput(RETIRED)


def _doubts(version: Version | None) -> list[str]:
    """What speaks against letting a version answer."""
    said = []
    if version and version.status == "rejected":
        said.append("It was rejected before.")
    if version and version.refused:
        said.append(f"Serving could not use it when it tried last: {version.refused}")
    if version and version.report is None:
        said.append("No gate has judged it.")
    return said


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if share not in SHARES:
        raise InvalidInput("choose with how many of the chats it is tried.")
    return share


def _short(version: str) -> str:
    return "the base model" if version == BASE else version[:12]
