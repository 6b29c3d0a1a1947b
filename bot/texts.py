"""Everything the bot says to people, by name: `texts.SEND` is the message `send` in the language that is spoken."""

from collections.abc import Sequence
from typing import get_args

from bot.tongue import is_said, say, slug
from core.errors import ApprenticeError
from core.records import Citation, Observation, Outcome, Passage, Reason
from core.settings import Settings
from feedback.people import Consent
from feedback.progress import Progress
from kinds import KINDS

PLACEHOLDER = "…"
EVERYONE = "everyone"
"""The caption by which an operator sends a document for everyone, in every language."""
TASKS = tuple(kind for kind in ("label", "summary", "report", "code") if kind in KINDS)
"""The kinds of task that have a command of their name."""
COMMANDS = (
    *("help", "stop", "reset", "retry", "sources", "why", "human", "start", "privacy", "export", "forget", "usage"),
    *TASKS,
)
IN_PRIVATE = frozenset({"human", "export", "forget"})
"""Those that are for the private chat alone."""


def __getattr__(name: str) -> str:
    if not name.isupper():
        raise AttributeError(name)
    return say(slug(name))


def commands() -> dict[str, str]:
    """Everybody's commands, and what they do."""
    return {name: say(f"command-{name}") for name in COMMANDS}


def group_commands() -> dict[str, str]:
    """Those that work in groups."""
    return {name: said for name, said in commands().items() if name not in IN_PRIVATE}


def reasons() -> dict[Reason, str]:
    """What may be wrong with an answer."""
    return {reason: say(f"reason-{slug(reason)}") for reason in get_args(Reason)}


def gate(outcome: Outcome) -> str:
    """What the gate made of a version that went live."""
    return say(f"gate-{slug(outcome)}")


def outcome(seen: Observation) -> str:
    """What came of an answer, as a line below it; in English where its kind is known here by nothing else."""
    message = f"outcome-{slug(seen.why)}"
    return say(message, **seen.values) if is_said(message) else seen.said


def label_noted(label: str) -> str:
    """What is said once somebody has chosen the right label."""
    return say("label-noted", label=label)


def consent_noted(consent: Consent) -> str:
    """What is said once somebody has decided."""
    return say(f"consent-noted-{consent}")


def sentence(error: ApprenticeError) -> str:
    """What went wrong, as a sentence of its own."""
    message = f"failure-{slug(error.code)}"
    if is_said(message):
        return say(message, **error.values)
    said = str(error)
    return said[:1].upper() + said[1:]


def not_stored(error: ApprenticeError) -> str:
    """What is said of a button whose press was lost."""
    return say("not-stored", why=sentence(error))


def notice(days: int, consent: Consent) -> str:
    """What is stored, for how long, who reads it, and whether it may be learned from."""
    return f"{say('notice', days=days)}\n\n{say(f'consent-{consent}')}"


def with_model(welcome: str, settings: Settings) -> str:
    """A welcome, and of the model that comes with the bot what may be expected of it."""
    return f"{welcome}\n\n{say('trial-model')}" if settings.model is None else welcome


def asks(name: str) -> str:
    """What the owner is told of a stranger's request."""
    return say("asks", name=name)


def settled(name: str, allowed: bool) -> str:
    """What the owner's message says after the decision."""
    return say("settled-allowed" if allowed else "settled-refused", name=name)


def thanks(progress: Progress | None) -> str:
    """What follows a correction."""
    return f"{say('thanks')} {far(progress)}" if progress else say("thanks")


def far(progress: Progress) -> str:
    """How far the next refresh is."""
    if progress.stage:
        return say("progress-running")
    return say("progress-trial" if progress.trial else "progress", approved=progress.approved, needed=progress.needed)


def live(time: str) -> str:
    """What somebody is told whose correction is said to everyone from now on."""
    return say("live", time=time)


def sources(citations: Sequence[Citation]) -> str:
    """The sources of an answer, in one line."""
    return say("cited", sources="; ".join(f"[{c.number}] {name_of(c)}" for c in citations))


def name_of(of: Citation | Passage) -> str:
    """What people are shown of where a passage stands."""
    return f"{of.source} › {of.title}" if of.title else of.source


def heard(text: str) -> str:
    """What was understood of a recording."""
    return f"🎙 {text}"


def about_picture(seen: str, asked: str) -> str:
    """A question about a picture, as the assistant is asked it."""
    return f"A picture shows this: {seen}\n\n{asked}"


def holds(chat: str, name: str) -> str:
    """Who has a chat that was handed over."""
    return say("holds", chat=chat, name=name)


def called(chat: str) -> str:
    """Of a chat that waits for a person."""
    return say("called", chat=chat)


def chat_says(chat: str, text: str) -> str:
    """What was written in a chat that was handed over."""
    return say("chat-says", chat=chat, text=text)


def human_says(text: str) -> str:
    """What a person answers."""
    return say("human-says", text=text)


def handed_back(chat: str) -> str:
    """What an operator is told who handed a chat back."""
    return say("handed-back", chat=chat)


def ended_by_them(chat: str) -> str:
    """What an operator is told whose chat began afresh."""
    return say("ended-by-them", chat=chat)
