"""Everything the bot says to people."""

from collections.abc import Sequence

from core.errors import ApprenticeError, NotFound
from core.records import Citation, Outcome, Passage, Reason
from feedback.people import Consent

PLACEHOLDER = "…"

COMMANDS = {
    "help": "What I can do",
    "stop": "End the answer that is running",
    "reset": "Begin a new conversation",
    "retry": "Another answer to your last question",
    "human": "Talk to a person",
    "sources": "The documents I answer from",
    "why": "Why I answered as I did",
    "usage": "What you have used today, of what you may",
    "start": "What I store, and whether I may learn from it",
    "privacy": "What I store, for how long, and your rights",
    "export": "A file of everything I have of you",
    "forget": "Remove everything I have of you",
}
HELP = (
    "Write me a question and I answer it. Under each answer:\n"
    "👍 👎 say whether it was right,\n"
    "✏️ lets you write what the answer should have been (or just reply to it),\n"
    "🔄 asks for another answer,\n"
    "[1] shows the passage that it cites.\n\n"
    "Send me a PDF, DOCX, Markdown or text file, and I answer from it here; /sources lists your documents and removes "
    "them.\n\n"
    "/human asks for a person. /why explains an answer, /reset begins a new conversation, /retry answers the last "
    "question again, /stop ends a running answer, /start and /privacy show "
    "what I store, /export gives it to you, /forget removes all I have of you."
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

TOO_FAST = "You write faster than I may answer. I leave out what is too much; please ask it again in a minute."
INVITE_HOW = "Write /invite, or for how many people (1000 at most) and days (365), such as /invite 5 7."
INVITE_IN_PRIVATE = "Please write me /invite in our private chat: whoever sees the link may use the bot."
WITHDRAW = "Withdraw"
WITHDRAWN = "This link was withdrawn."
BANNED = "You may not use this bot any more. Please ask its owner about anything, also about what it has of you."
BAN_HOW = (
    "Reply to one of their messages with this command, or write their number in Telegram or their pseudonym after it."
)
OWNERS_STAY = "The owner of this bot cannot be banned."
NOT_BANNED = "They are not banned."
INLINE_STRANGER = "This bot is private: ask for access"
INLINE_UNTOLD = "Please write to me first, in our own chat"
INLINE_BEYOND = "That is beyond your limit: see /usage"
INLINE_FAILED = "I cannot answer just now; please try again"

YES, NO = "Yes, learn from my words", "No, only answer"
_CONSENT = {
    "ask": "May I learn from your words? I answer either way.",
    "yes": "You allowed me to learn from your words. You can change that here at any time.",
    "no": "I answer you, and do not learn from your words. You can change that here at any time.",
}
CONSENT_NOTED = {"yes": "Thank you! I may learn from your words.", "no": "I will not learn from your words."}

FORGET = (
    "I remove, for good, your messages, my answers to them, your feedback, what was approved from it, the documents "
    "you sent to a chat, and your access. "
    "What I learned is tuned anew without it. This chat itself is Telegram's to delete."
)
FORGET_ME, KEEP = "Forget me", "Keep everything"
FORGETTING = "I am removing it…"
FORGOTTEN = "Done: I have nothing of you any more. To write to me again, ask the owner for access."
NOTHING_KNOWN = "I have nothing of you."
KEPT = "All right, I keep everything."
FORGET_IN_PRIVATE = "Please write me /forget in our private chat; it is about everything you said, in every chat."

GOOD = "Thank you! Noted as right."
BAD = "Noted as not right. What was wrong?"
BAD_FOR_ANOTHER = "Noted as not right."
TAKEN_BACK = "Taken back."
NOTED_GOOD, NOTED_BAD = "👍 ↩️ take back", "👎 ↩️ take back"
REASONS: dict[Reason, str] = {
    "wrong": "Wrong",
    "not helpful": "Not helpful",
    "too long": "Too long",
    "unsafe": "Unsafe",
    "other": "Other",
}
REASON_NOTED = "Thank you! ✏️ lets you write what would have been right."
FOR_THE_ASKER = "This is for whoever asked the question."
WRITE_IT = "What should the answer have been? Write it now (in a group, as a reply to this message); /stop if not."
CORRECTION = "The right answer"
SHALL_I_SEND = "Shall I send this as the right answer?"
SEND, CANCEL, IT_IS_A_QUESTION, TAKE_BACK = "Send", "Cancel", "It is a question", "Take back"
LIVE = "Thank you! Since {time} I answer this your way."
FOR_THE_WRITER = "This is for whoever wrote it, and waits no longer than a day."
AGAIN = "I try again."
TOO_OLD = "That answer is older than my record; please ask again."
UNKNOWN_BUTTON = "This button does not work any more."

ONLY_TEXT = "I can only read text; please write it to me."
NO_VOICE = "I can only read text, and do not understand recordings; please write it to me."
NO_PICTURES = "I can only read text, and do not understand pictures; please write what you want to know."
ALBUM = "I can only read text, and leave out albums; please write what you want to know."
FILE_NOT_FETCHED = "Telegram did not give me this file; please send it again."
NOT_HEARD = "I could not listen to this just now; please write it, or try again later."
NOTHING_HEARD = "I heard no words in this; please write it to me."
NOT_SEEN = "I could not look at this just now; please write what you want to know, or try again later."
ABOUT_PICTURE = "What does this picture show?"
LATE = "I was away when you wrote, and do not answer what is old; please ask again what you still want to know."
NOTHING_TO_RETRY = "There is nothing that I could answer again; please ask."
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
NO_SOURCES = "This answer used no sources."
NO_SUCH_PASSAGE = "This passage is not in my record any more."

NO_DOCUMENTS = "There are no documents here yet: send me a PDF, DOCX, Markdown or text file, and I answer from it."
OWN_DOCUMENTS = "Documents of this chat, which no other chat sees:"
SHARED_DOCUMENTS = "Documents that everyone sees:"
EVERYONE = "everyone"
"""The caption by which an operator sends a document for everyone."""
SHARE = "For everyone"
SHARING_IS_THE_OPERATORS = "Only an operator can do that."
SEND_AGAIN = "I cannot see this document any more; send it again, with the caption: everyone"
ALREADY_GONE = "This document is not in the sources any more."
NOT_FETCHED = "Telegram did not give me this document; please send it again."

PRIVACY = (
    "What I store: your messages and my answers, your thumbs, corrections and requests for another answer, the "
    "documents you send (their text, for this chat only), your role here and your choice about learning. You appear "
    "under a pseudonym; e-mail addresses, card, account and phone numbers are taken out of messages before they are "
    "stored. Where you are to be told that a correction went live, this chat's number is kept until then; after 👎 or "
    "a correction, as long as the answer, so that a better one can be sent to you; after /human, until it ends.\n\n"
    "Who sees it: the operators of this installation. Other people see only answers that an operator approved for "
    "everyone.\n\n"
    "Your rights: /export gives you everything in a file, /forget removes it for good, and the buttons below decide "
    "whether I may learn from your words. Ask the owner of this bot about anything else."
)
EXPORT = "Everything that I have of you, as JSON."
EXPORT_IN_PRIVATE = "Please write me /export in our private chat; it holds what you said in every chat."

BASE_VERSION = "Version: the base model, which has not been tuned on anything here."
UNKNOWN_VERSION = "Version: one that is not in my record any more."
UNJUDGED = "It was installed by hand, and no gate has judged it."
GATES: dict[Outcome, str] = {
    "promote": "The gate passed it",
    "reject": "The gate rejected it, and an operator promoted it",
    "not enough evidence": "The gate had too little evidence, and an operator promoted it",
}
NO_EXAMPLES = "It learned from no approved answer that everyone may see and that is near this question."
PERSON_WROTE_IT = "A person wrote this answer, no version of mine."

HUMAN = (
    "I call a person, who sees our last exchange and what you write from now on, under a pseudonym and without e-mail "
    "addresses and phone numbers. I stay silent until they hand it back; /reset ends it."
)
HUMAN_CALLED = "This chat is with the operators already; what you write here reaches them."
HUMAN_NOBODY = "There is nobody here yet who could take this chat over; please ask the owner of this bot."
HUMAN_IN_PRIVATE = "Please write me /human in our private chat; here, a person would read what everyone writes to me."
HUMAN_HERE = "A person has taken this chat over, and reads what you write."
HUMAN_SAYS = "👤 A person answers:\n\n{text}"
HUMAN_OVER = "This chat was handed back to me: I answer again, and know what was said."
HUMAN_MISSED = (
    "I am sorry: nobody has the time just now. Your question stays with the operators, and whoever finds the time "
    "answers it here. Meanwhile I answer again."
)
ONLY_TEXT_PASSED_ON = "Only text can be passed on between you and the other; please write it."
MODEL_IS_SILENT = "This chat is with a person; I answer again when they hand it back, or after /reset."

CALLED = "Chat {chat} asks for a person."
TAKE, HAND_BACK = "Take over", "Hand back"
YOURS = "This chat is yours: reply to its messages here, and hand it back at the end (/back)."
HOLDS = "Chat {chat}: {name} has it."
CHAT_SAYS = "💬 Chat {chat}:\n\n{text}"
ONLY_OPERATORS = "Only an operator can do that."
NOT_IN_INBOX = "This chat is not in the inbox any more."
HANDED_BACK = "Chat {chat} is handed back; I answer there again."
ENDED_BY_THEM = "Chat {chat}: they have ended it, and I answer there again."
PASSED_ON = "✓ Sent."
NOT_REACHED = "It cannot be sent: they have blocked me, or may not use me any more. The chat is out of the inbox."
WHICH_CHAT = "Send /back in reply to a message of the chat that you hand back."
INBOX_EMPTY = "The inbox is empty: no chat waits for a person."

AMENDED_AFTER_DOWN = "You did not like my answer to this; a person corrected it:"
AMENDED_AFTER_CORRECTION = "You corrected my answer to this; a person has looked at it since, and this is what holds:"

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
    return "Sources: " + "; ".join(f"[{c.number}] {name_of(c)}" for c in citations)


def name_of(of: Citation | Passage) -> str:
    """What people are shown of where a passage stands."""
    return f"{of.source} › {of.title}" if of.title else of.source


def heard(text: str) -> str:
    """What was understood of a recording."""
    return f"🎙 {text}"


def about_picture(seen: str, asked: str) -> str:
    """A question about a picture, as the assistant is asked it."""
    return f"A picture shows this: {seen}\n\n{asked}"
