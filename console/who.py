"""Who sends a request, and what their role lets them do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Literal, get_args

from starlette.requests import Request
from starlette.responses import Response

from core.errors import NotAllowed

Role = Literal["viewer", "reviewer", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operator:
    """Who acts, by the name that the audit log knows them by."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether they have a role or a higher one."""
        return ROLES.index(self.role) >= ROLES.index(role)


SOLE = Operator("operator", "admin")
"""Whoever sits at this machine, as long as nobody has an account."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser: the random id in its cookie, the token that its forms carry, and who is logged in there."""

    id: str
    csrf: str
    origin: str
    """Under which address it reaches the console, as https://console.example.org."""
    operator: Operator | None = None

    @property
    def secure(self) -> bool:
        """Whether it speaks https with the console, or with what stands before it."""
        return self.origin.startswith("https:")


def visit(request: Request) -> Visit:
    """The browser that sends a request."""
    return request.state.visit


def operator(request: Request) -> Operator:
    """Who acts.

    Raises: NotAllowed where nobody is logged in.
    """
    found = visit(request).operator
    if found is None:
        raise NotAllowed("you are not logged in; log in and try again.")
    return found


def needs(role: Role, handler: Handler) -> Handler:
    """A handler that only operators of a role, or of a higher one, reach; others are told so (403)."""

    @wraps(handler)
    async def guarded(request: Request) -> Response:
        if not operator(request).may(role):
            raise NotAllowed(f"this needs the role {role}; ask an admin for it.")
        return await handler(request)

    return guarded
