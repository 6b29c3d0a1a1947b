"""`apprentice chat`: the playground's conversation in a terminal."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress

from rich.console import Console
from rich.markup import escape

from console.conversation import CONSENT_QUESTION, Conversations, Event, draft_correction, first_contact
from console.review import edited
from core.client import Begun, Ended, Said
from core.errors import ApprenticeError, InvalidInput
from core.records import new_id
from core.settings import Settings

HELP = """\
/up             the last answer is good
/down [reason]  it is not
/fix [text]     what it should have been
/again          answer the question again
/reset          begin a new conversation
/quit           leave, as does Ctrl-D

Anything else is your next question. Ctrl-C stops an answer and keeps what was said."""


def chat(settings: Settings, console: Console) -> None:
    """Talk until /quit or Ctrl-D. Every chat in a terminal is a new conversation."""
    chats = Conversations.open(settings)
    with asyncio.Runner() as runner:
        try:
            _Talk(chats, runner, console, settings).run(settings.turn_retention_days)
        finally:
            runner.run(chats.close())


class _Talk:
    def __init__(self, chats: Conversations, runner: asyncio.Runner, console: Console, settings: Settings):
        self._chats, self._settings = chats, settings
        self._runner = runner
        self._console = console
        self._chat = f"playground:{new_id()}"
        self._turn: str | None = None
        self._draft = ""
        self._commands: dict[str, Callable[[str], None]] = {
            "/up": self._up,
            "/down": self._down,
            "/fix": self._fix,
            "/again": self._again,
            "/reset": self._reset,
            "/help": self._help,
            "/quit": self._quit,
        }

    def run(self, retention_days: int) -> None:
        self._note("/help lists what you can do here.")
        with suppress(EOFError):
            self._step(lambda: self._greet(retention_days))
            while True:
                self._step(self._next)

    def _step(self, step: Callable[[], None]) -> None:
        """Take a step; what goes wrong is one sentence, and the conversation goes on."""
        try:
            step()
        except ApprenticeError as error:
            self._console.print(f"\n[red]{escape(str(error))}[/]", highlight=False)
        except KeyboardInterrupt:
            self._note("\n/quit or Ctrl-D leaves.")

    def _greet(self, retention_days: int) -> None:
        if self._chats.consent() != "ask":
            return
        for line in first_contact(retention_days):
            self._console.print(line, highlight=False)
        choice = self._console.input(f"{CONSENT_QUESTION} (y/n): ").strip().lower()[:1]
        if choice in ("y", "n"):
            self._chats.set_consent("yes" if choice == "y" else "no")
            self._note("Noted.")

    def _next(self) -> None:
        line = self._console.input("\n[bold]You:[/] ").strip()
        command, _, rest = line.partition(" ")
        if command in self._commands:
            self._commands[command](rest.strip())
        elif line.startswith("/"):
            raise InvalidInput(f"there is no {command}; /help lists what there is.")
        elif line:
            self._tell(self._chats.ask(self._chat, line))

    def _tell(self, events: AsyncIterator[Event]) -> None:
        try:
            self._runner.run(self._show(events))
        except KeyboardInterrupt:
            self._note("\nStopped; what was said is kept.")

    async def _show(self, events: AsyncIterator[Event]) -> None:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Begun):
                    self._turn, self._draft = event.turn_id, ""
                elif isinstance(event, Said):
                    self._draft += event.text
                    self._console.print(_printable(event.text), end="", markup=False, highlight=False, soft_wrap=True)
                else:
                    self._show_end(event)

    def _show_end(self, ended: Ended) -> None:
        self._turn, self._draft = ended.turn_id, draft_correction(ended.text, ended.citations)
        self._console.print()
        for cited in ended.citations:
            self._note(_printable(f"[{cited.number}] {cited.source} › {cited.title}: {cited.text}"))
        checked = " · ✓ checked by a person" if ended.origin == "approved" else ""
        unsure = " · not sure of this answer" if self._settings.is_unsure(ended.confidence) else ""
        self._note(ended.adapter[:12] + checked + unsure)
        if ended.progress:
            self._note(ended.progress)
        if ended.turn_id is None:
            self._note("This answer could not be stored, so it takes no feedback.")

    def _up(self, _: str) -> None:
        self._chats.rate(self._rated(), 1)
        self._note("Noted as good.")

    def _down(self, reason: str) -> None:
        self._chats.rate(self._rated(), -1, reason or None)
        self._note("Noted as bad. /fix says what it should have been.")

    def _fix(self, text: str) -> None:
        turn = self._rated()
        text = text or edited(self._draft, self._console)
        if text:
            self._chats.correct(turn, text)
            self._note("Noted; it answers as soon as an operator approves it.")

    def _again(self, _: str) -> None:
        self._tell(self._chats.ask_again(self._chat, self._rated()))

    def _reset(self, _: str) -> None:
        self._chats.reset(self._chat)
        self._turn = None
        self._note("A new conversation begins.")

    def _help(self, _: str) -> None:
        self._console.print(HELP, markup=False, highlight=False)

    def _quit(self, _: str) -> None:
        raise EOFError

    def _rated(self) -> str:
        """The turn that feedback is about."""
        if self._turn is None:
            raise InvalidInput("there is no answer yet that could be rated; ask something first.")
        return self._turn

    def _note(self, line: str) -> None:
        self._console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def _printable(text: str) -> str:
    """A text without the control characters that would steer the terminal."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")
