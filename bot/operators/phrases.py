"""Everything the bot says to operators."""

from adapters.registry import Status
from core.records import Outcome, Scope

COMMANDS = {
    "review": "Decide on answers that wait for review",
    "adapters": "Versions: which exist, and which one answers",
    "promote": "Let a version answer",
    "rollback": "Take back the version that came last",
    "stats": "Answers, thumbs and the queue in figures",
    "alerts": "Whether I tell you when something happens",
    "inbox": "Chats that wait for a person",
    "back": "Hand a chat back to me",
    "invite": "A link by which people may use me",
    "ban": "Answer a person no more",
    "unban": "Answer them again",
}
HELP = (
    "As an operator you also have:\n"
    "/review shows you, one by one, the answers that people said something about,\n"
    "/adapters lists the versions, /promote lets one answer, /rollback takes the last one back,\n"
    "/stats shows figures, /alerts decides whether I tell you when something happens,\n"
    "/inbox shows who waits for a person, /back hands a chat back to me,\n"
    "/invite makes a link for new members, /ban and /unban decide whom I do not answer."
)
OPERATOR = "Hello! You are an operator of this bot now: see /help for what you can do."
IN_PRIVATE = "Please write me this in our private chat."

NOTHING_WAITS = "Nothing waits for a decision."
ONLY_SKIPPED = "Only what you skipped is left; /review begins anew."
WHY_HERE = {
    "told what is wrong": "Somebody said what is wrong with it.",
    "people disagree": "People disagree about it.",
    "first of its kind": "It is the first question of its kind.",
    "in turn": "It has waited longest.",
}
"""Why a turn stands where it does in the queue."""
BEFORE, QUESTION, ANSWER, SUGGESTION = "Before:", "Question:", "Answer:", "Would be approved:"
PASSAGES, THUMBS, OTHER_CORRECTIONS = "Passages:", "Thumbs:", "Earlier corrections:"
APPROVE, EDIT, REJECT, SKIP = "✅ Approve", "✏️ Edit", "❌ Reject", "⏭ Skip"
BACK, CANCEL = "↩️ Back", "Cancel"
APPROVE_FOR: dict[Scope, str] = {"everyone": "✅ For everyone", "chat": "✅ For this chat"}
REJECT_FOR: dict[Scope, str] = {"everyone": "❌ For everyone", "chat": "❌ For this chat"}
APPROVED: dict[Scope, str] = {
    "everyone": "✅ approved for everyone ↩️ undo",
    "chat": "✅ approved for this chat ↩️ undo",
}
REJECTED: dict[Scope, str] = {
    "everyone": "❌ rejected for everyone ↩️ undo",
    "chat": "❌ rejected for this chat ↩️ undo",
}
FOR_WHOM = "For whom does this hold?"
SKIPPED = "Skipped."
UNDONE = "Undone: it waits again."
DECIDED_ALREADY = "This does not wait for a decision any more."
SAID_MEANWHILE = "Something was said about it meanwhile; please look again."
NOT_IN_FORCE = "This decision is not in force any more."
REWRITE = "Write the answer as it should be, in reply to this message."
THE_ANSWER = "The answer as it should be"
SHALL_I_APPROVE = "Shall I approve this?"
NOT_APPROVED = "All right, it is left as it was."
SEND_EDITED = "✉️ Send it to who asked"
IS_SENT = "It is on its way, under the question that it answers."

NO_VERSIONS = "There is no version yet: the base model answers."
BASE_LIVE = "The base model is live; /promote base returns to it."
STATUSES: dict[Status, str] = {
    "live": "live",
    "incoming": "about to be live",
    "canary": "on trial",
    "previous": "live before; /rollback returns to it",
    "candidate": "candidate",
    "rejected": "rejected",
}
GATES: dict[Outcome, str] = {
    "promote": "passed",
    "reject": "rejected",
    "not enough evidence": "not enough evidence",
}
NEVER_JUDGED = "Gate: never judged"
MARKED = "It learned from somebody who was forgotten since, and never answers again."
CANNOT_PROMOTE = (
    "This version learned from somebody who was forgotten since, and is never promoted again. Choose another from "
    "/adapters, or wait for the refresh that tunes one without them."
)
WHICH_VERSION = "Write /promote and the beginning of a version's id, or /promote base; /adapters lists them."
NO_SUCH_VERSION = "Not exactly one version begins like that; /adapters lists them."
LIVE_ALREADY = "This version is live already."
NOTHING_TO_ROLL_BACK = "There is no earlier version to go back to."
PROMOTE, ROLL_BACK = "Promote", "Roll back"
WAS_REJECTED = "It was rejected before."
UNJUDGED = "No gate has judged it."
MOVED = "Something else moved meanwhile; look at /adapters, and ask again if it is still wanted."
NOTHING_DONE = "All right, nothing changes."

CHART = "The picture: thumbs on each of the last 14 days (UTC), 👍 blue, 👎 orange."
QUEUE_EMPTY = "Nothing waits for review."

ALERTS_ON = (
    "I tell you when a version on trial is taken back, when the review queue grows long, and when the worker falls "
    "silent."
)
ALERTS_OFF = "I do not tell you when something happens."
MUTE, UNMUTE = "🔕 Do not tell me", "🔔 Tell me"


def card_heading(waiting: int, version: str) -> str:
    """What stands above an answer that is to be decided."""
    return f"{waiting} waiting. Answered by version {version}."


def passage(source: str, score: float, excerpt: str) -> str:
    """A passage that an answer was given."""
    return f"• {source} (score {score:.2f}): {excerpt}"


def standing(status: Status) -> str:
    """Where a version stands."""
    return f"Standing: {STATUSES[status]}"


def trial(share: float) -> str:
    """Of a version on trial, how many chats it answers."""
    return f"It answers {share:.0%} of the chats."


def refused(why: str) -> str:
    """Of a version that serving cannot use."""
    return f"Serving refuses it: {why}"


def gate(outcome: Outcome, wins: int, losses: int, ties: int) -> str:
    """What the gate found."""
    return f"Gate: {GATES[outcome]} ({wins} better, {losses} worse, {ties} alike)"


def more_versions(count: int) -> str:
    """What stands below a list that is longer."""
    return f"And {count} older ones."


def shall_i_promote(version: str, live: str) -> str:
    """What a promotion will do."""
    return (
        f"Promote {version}? All chats are answered by it as soon as every serving process has it; now {live} is live. "
        "Answers that are running end as they began."
    )


def trial_ends(version: str) -> str:
    """What else a promotion will do."""
    return f"The trial of {version} ends without a verdict."


def incoming_replaced(version: str) -> str:
    """What else a promotion will do."""
    return f"{version}, which is about to be live, is not installed everywhere yet and stays a candidate."


def shall_i_end_trial(version: str, live: str) -> str:
    """What a rollback will do while a version is on trial."""
    return f"Take {version} back? Its trial ends, it counts as rejected, and {live} answers every chat."


def shall_i_roll_back(live: str, previous: str) -> str:
    """What a rollback will do."""
    return f"Take {live} back? It counts as rejected, and {previous} is live again at once."


def is_live(version: str) -> str:
    """What is said once a version answers."""
    return f"Done: {version} is live."


def will_be_live(version: str) -> str:
    """What is said of a version that is not installed everywhere yet."""
    return f"Done: {version} is live as soon as every serving process has it."


def rolled_back(version: str, live: str) -> str:
    """What is said after a rollback."""
    return f"Done: {version} is taken back, and {live} is live."


def figures(answers: int, up: int, down: int) -> str:
    """How much the bot is used, and liked."""
    return f"Answers in the last 24 hours: {answers}. Thumbs in 14 days: 👍 {up}, 👎 {down}."


def live_version(version: str, up: int, down: int) -> str:
    """Which version answers, and how it is liked."""
    return f"Live: {version}, 👍 {up}, 👎 {down}."


def on_trial(version: str, share: float, up: int, down: int) -> str:
    """Which version is on trial, and how it is liked."""
    return f"On trial with {share:.0%} of the chats: {version}, 👍 {up}, 👎 {down}."


def queue(waiting: int, hours: int) -> str:
    """How long the queue is, and how old."""
    return f"Waiting for review: {waiting}, the oldest since {hours} h."


def trial_taken_back(version: str, live: str, why: str) -> str:
    """An alert: a version on trial was taken back."""
    if not why:
        return f"⚠️ The trial of {version} has ended: it was taken back, and {live} answers every chat."
    return f"⚠️ The trial of {version} has ended: it was taken back, and {live} answers every chat. The reason: {why}"


def queue_is_long(waiting: int) -> str:
    """An alert: many answers wait."""
    return f"⚠️ {waiting} answers wait for review; /review shows them."


def worker_is_silent(minutes: int) -> str:
    """An alert: nothing is scheduled any more."""
    return (
        f"⚠️ The worker has given no sign of life for {minutes} min: nothing is learned, and no trial is judged, until "
        "it runs again. Look at its log."
    )
