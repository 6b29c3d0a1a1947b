"""Everything the bot says to people."""

from collections.abc import Sequence

from core.errors import ApprenticeError, NotFound
from core.records import Citation, Passage, Turn
from feedback.people import Consent

PLACEHOLDER = "…"
EXCERPT = 160
"""Characters of a passage that /sources shows."""

COMMANDS = {
    "help": "What I can do",
    "stop": "End the answer that is running",
    "reset": "Begin a new conversation",
    "sources": "What the last answer was based on",
    "start": "What I store, and whether I may learn from it",
    "forget": "Remove everything I have of you",
}
HELP = (
    "Write me a question and I answer it. Under each answer:\n"
    "👍 👎 say whether it was right,\n"
    "✏️ lets you write what the answer should have been (or just reply to it),\n"
    "🔄 asks for another answer.\n\n"
    "/reset begins a new conversation, /stop ends a running answer, "
    "/sources shows what the last answer was based on, /start shows what I store, /forget removes all I have of you."
)
WELCOME = "Hello! I am Apprentice, and I learn from the people I work for. Write me a question, or see /help."
OWNER = "Hello! This bot is yours now: you decide who else may use it. Write me a question, or see /help."
MEMBER = "Hello! You may use this bot now. Write me a question, or see /help."

STRANGER = "This bot is private; you can ask its owner for access."
LINK_USED = "This link does not work any more; ask the bot's owner for access."
ASK = "Ask for access"
ASKED = "Your request was sent; you will hear from me when the owner has decided."
ASKED_ALREADY = "Your request waits for the owner's decision."
HAS_ACCESS = "You may use this bot already."
ALLOW, REFUSE = "Allow", "Refuse"
OWNER_DECIDES = "Only the owner of this bot decides that."
DECIDED_ALREADY = "This has been decided already."
REFUSED = "The owner of this bot did not give you access."

YES, NO = "Yes, learn from my words", "No, only answer"
_CONSENT = {
    "ask": "May I learn from your words? I answer either way.",
    "yes": "You allowed me to learn from your words. You can change that here at any time.",
    "no": "I answer you, and do not learn from your words. You can change that here at any time.",
}
CONSENT_NOTED = {"yes": "Thank you! I may learn from your words.", "no": "I will not learn from your words."}

FORGET = (
    "I remove, for good, your messages, my answers to them, your feedback, what was approved from it, and your access. "
    "What I learned is tuned anew without it. This chat itself is Telegram's to delete."
)
FORGET_ME, KEEP = "Forget me", "Keep everything"
FORGETTING = "I am removing it…"
FORGOTTEN = "Done: I have nothing of you any more. To write to me again, ask the owner for access."
NOTHING_KNOWN = "I have nothing of you."
KEPT = "All right, I keep everything."
FORGET_IN_PRIVATE = "Please write me /forget in our private chat; it is about everything you said, in every chat."

GOOD = "Thank you! Noted as right."
BAD = "Noted as not right. ✏️ lets you write what would have been right."
WRITE_IT = "What should the answer have been? Write it now (in a group, as a reply to this message); /stop if not."
CORRECTION = "The right answer"
AGAIN = "I try again."
TOO_OLD = "That answer is older than my record; please ask again."
UNKNOWN_BUTTON = "This button does not work any more."

ONLY_TEXT = "I can only read text; please write it to me."
UNKNOWN_COMMAND = "I do not know this command; see /help."
RESET = "We begin afresh: I no longer look back at what was said before."
STOPPED = "Stopped."
NOT_AWAITED = "All right, no correction."
NOTHING_RUNS = "No answer is running."
STOPPED_UNSAID = "Stopped before I said anything; please ask again."
NO_WORDS = "I have no answer to that; please ask in other words."
UNRECORDED = "This answer could not be stored, so it cannot be rated."
CHECKED = "✓ checked by a person"
NO_ANSWER_YET = "There is no answer in this conversation yet."
NO_SOURCES = "The last answer used no sources."
APPROVED_SOURCE = "The last answer was checked by a person and given word for word."
BROKEN = "Something went wrong on my side; please try again."


def sentence(error: ApprenticeError) -> str:
    """What went wrong, as a sentence of its own."""
    if isinstance(error, NotFound):
        return TOO_OLD
    said = str(error)
    return said[:1].upper() + said[1:]


def not_stored(error: ApprenticeError) -> str:
    """What is said of a button whose press was lost."""
    return f"That was not stored: {error}"


def notice(days: int, consent: Consent) -> str:
    """What is stored, for how long, who reads it, and whether it may be learned from."""
    return (
        "I store your messages, my answers and your feedback under a pseudonym. They are kept for "
        f"{days} days, and longer where an answer was approved. The operators of this installation read them. "
        "/forget removes all of it.\n\n"
        f"{_CONSENT[consent]}"
    )


def asks(name: str) -> str:
    """What the owner is told of a stranger's request."""
    return f"{name} asks for access to this bot."


def settled(name: str, allowed: bool) -> str:
    """What the owner's message says after the decision."""
    return f"{name} may use this bot now." if allowed else f"{name} was refused access to this bot."


def thanks(progress: str | None) -> str:
    """What follows a correction."""
    thank = "Thank you, your correction is stored for review."
    return f"{thank} {progress}" if progress else thank


def sources(citations: Sequence[Citation]) -> str:
    """The sources of an answer, in one line."""
    return "Sources: " + "; ".join(f"[{c.number}] {_name(c)}" for c in citations)


def passages(turn: Turn) -> str:
    """What an answer was based on: each passage it was given, and what it cites of it."""
    if turn.origin == "approved":
        return APPROVED_SOURCE
    if not turn.passages:
        return NO_SOURCES
    cited = {citation.number: citation.text for citation in turn.citations}
    lines = [_passage(n, passage, cited.get(n)) for n, passage in enumerate(turn.passages, 1)]
    return "\n\n".join(["The last answer was based on:", *lines])


def _passage(number: int, passage: Passage, cited: str | None) -> str:
    excerpt = cited or passage.text
    shown = excerpt if len(excerpt) <= EXCERPT else excerpt[: EXCERPT - 1].rstrip() + "…"
    return f"[{number}] {_name(passage)} ({'cited' if cited else 'not cited'})\n“{shown}”"


def _name(of: Citation | Passage) -> str:
    return f"{of.source} › {of.title}" if of.title else of.source
