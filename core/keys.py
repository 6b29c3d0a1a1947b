"""Every Redis key of Apprentice: builder, type and lifetime, in one place.

Turns and the feedback about them live `turn_retention_days`, and for ever once an operator has approved them.
"""

PREFIX = "apprentice:"
APPROVALS = PREFIX + "approvals"  # stream {turn}: a decision was made; serving reads it to its end before each search
TELLING = "bot"  # the consumer group of APPROVALS: whoever is to be thanked is told by one bot, once
APPROVED = PREFIX + "approved"  # zset turn -> approved at (ms), of either scope
FOR_EVERYONE = PREFIX + "approved:everyone"  # zset turn -> approved at (ms): those that training may see
REJECTED = PREFIX + "rejected:everyone"  # zset turn -> rejected at (ms): how nobody shall be answered; as long as turns
EXPIRING = PREFIX + "approved:until"  # zset turn -> until (ms): approvals that end by themselves; until they have
QUESTION_VECTORS = PREFIX + "approved:vectors"  # hash turn -> base64: the embedded question of an approved answer
SPLITS = PREFIX + "splits"  # hash root:<turn> | text:<keyed hash> -> train | evaluation: frozen at the first approval
QUEUE = PREFIX + "queue"  # zset turn -> since (ms), less 10^13 for each rank that it stands before the rest
QUEUE_KINDS = PREFIX + "queue:kinds"  # zset turn -> since (ms): the newest that stand for questions of their kind
CLAIMS = PREFIX + "queue:claims"  # hash turn -> until (ms) and operator: whose page shows it; entries expire in minutes
TAGS = PREFIX + "tags"  # set of the tags that operators gave to answers
DECIDED = PREFIX + "decided"  # zset turn -> decided at (ms): decisions in force, those as old as turns at most
OPINIONS = PREFIX + "opinions"  # zset turn -> since (ms): where a second operator was asked, blind; as long as turns
FEEDBACK = PREFIX + "feedback"  # zset turn -> newest event (ms): turns that anything was said about, as long as turns
EVENTS = PREFIX + "events"  # stream {type, data}: the feedback events in order, as long as turns are kept
OPEN_TURNS = PREFIX + "turns:open"  # zset turn -> opened at (ms)
RECENT_TURNS = PREFIX + "turns:recent"  # zset turn -> opened at (ms): closed turns of chats, those of the last two days
VERSIONS = PREFIX + "versions"  # zset version -> published at (ms)
ALIASES = (
    PREFIX + "aliases"
)  # hash live, incoming (what live moves to once installed) -> version; canary -> Canary as JSON
ALIAS_HISTORY = PREFIX + "aliases:history"  # list of versions that were live before, newest first
REIGNS = PREFIX + "aliases:reigns"  # stream {live, was, who, why}: each time another version became live; no lifetime
AUDIT = PREFIX + "audit"  # stream {who, what, subject, why}: nobody's words; a person who is forgotten is named no more
GUESTS = PREFIX + "versions:guests"  # zset version -> until (ms): serving holds it for an operator, where it has room
PREFERENCES = PREFIX + "versions:preferences"  # hash version:version:pick -> how often, blind; no ids, no lifetime
REPLICAS = PREFIX + "replicas"  # zset replica -> last heartbeat (ms)
REFRESH_LOCK = PREFIX + "refresh:lock"  # string holder:fence, lives REFRESH lock seconds, renewed
REFRESH_FENCE = PREFIX + "refresh:fence"  # counter: the newest fencing token handed out
REFRESH_PROGRESS = PREFIX + "refresh:progress"  # hash run, began (ms), stage, done, total: seen while the lock is held
# hash of the newest finished run: at (ms), until, looked (ms): when the record was read, snapshot, outcome, summary,
# version; repeated (ms): asked for in vain
REFRESH_LAST = PREFIX + "refresh:last"
REFRESH_ASKED = PREFIX + "refresh:asked"  # hash who, at (ms), begun: an operator wants a refresh now; until it ends
REFRESH_CANCEL = PREFIX + "refresh:cancel"  # hash fence, who: the refresh with this fence is to end; lives a day
REFRESH_POSTPONED = PREFIX + "refresh:postponed"  # string why: none is due as long as it lives, some minutes
REFRESH_DOMAIN = PREFIX + "refresh:domain"  # string since (ms): the next refresh is to learn the documents as well
REFRESH_PRACTICE = PREFIX + "refresh:practice"  # string since (ms): the next refresh is to practise first
PRACTICE = PREFIX + "practice"  # zset turn -> answered at (ms): answers of a refresh to itself, as long as turns
RETRIEVAL_VERSIONS = PREFIX + "retrieval:versions"  # zset tuned embedder -> judged at (ms)
RETRIEVAL_LAST = PREFIX + "retrieval:last"  # hash at (ms), material: its digest, pairs, outcome: the newest tuning
RETRIEVAL_ASKED = PREFIX + "retrieval:asked"  # string since (ms): the search is to learn now; until that ends
WORKERS = PREFIX + "workers"  # hash queue, or `bot` -> last sign of life (ms)
OWNER = PREFIX + "owner"  # string author: the first person the bot belongs to
OWNER_ADDRESS = PREFIX + "owner:address"  # string outside id: where the owner is told who asks for access
CONSOLE_ACCOUNTS = PREFIX + "console:accounts"  # hash name -> Account as JSON: who may use the console; no lifetime
OPERATORS = PREFIX + "operators"  # hash outside id -> yes | no: who decides in Telegram, and whether they want alerts
DIGEST_OFF = PREFIX + "operators:digest:off"  # set of outside ids: operators who want no daily digest
BOT_NAME = PREFIX + "bot:name"  # string: the bot's name in Telegram, for links to it; set whenever it starts
ALERTS_POSITION = PREFIX + "alerts:position"  # string entry of AUDIT: operators were told of everything until there
ACCESS_REQUESTS = PREFIX + "access:requests"  # hash outside id -> display name, asked and not yet decided
PEOPLE = PREFIX + "people"  # set of authors that have a record
FORGOTTEN = PREFIX + "forgotten"  # string: when somebody was last forgotten (ms); what was tuned before may know them
ERASURE = PREFIX + "erasure"  # string since (ms): the database's files still hold what was removed; gone once rewritten
INBOX = PREFIX + "inbox"  # zset handover -> since (ms): chats that wait for a person or talk with one; as long as turns
AMENDS = PREFIX + "amends"  # zset turn -> since (ms): edited answers that are to be sent to who asked; until they are
ERRANDS = PREFIX + "errands"  # list of Errand as JSON: what the bot is to say for operators at the console; until said
PACE_REFUSED = PREFIX + "pace:refused"  # zset scope -> when Telegram refused a call there (ms); lives a second


def turn(turn_id: str) -> str:
    """string: a Turn as JSON."""
    return f"{PREFIX}turn:{turn_id}"


def votes(turn_id: str) -> str:
    """hash author -> Rating as JSON."""
    return f"{PREFIX}turn:{turn_id}:votes"


def corrections(turn_id: str) -> str:
    """hash author -> Correction as JSON."""
    return f"{PREFIX}turn:{turn_id}:corrections"


def regenerations(turn_id: str) -> str:
    """list of Regeneration as JSON."""
    return f"{PREFIX}turn:{turn_id}:regenerations"


def observation(turn_id: str) -> str:
    """string: an Observation as JSON, the newest; lives as long as the turn."""
    return f"{PREFIX}turn:{turn_id}:observation"


def keepers(turn_id: str) -> str:
    """set: approved turns whose conversation this one belongs to; it is kept as long as there are any."""
    return f"{PREFIX}turn:{turn_id}:keepers"


def seen_by(turn_id: str) -> str:
    """set: the versions that learned from this turn; written when they are published, no lifetime."""
    return f"{PREFIX}turn:{turn_id}:seen_by"


def review(turn_id: str) -> str:
    """string: the Review in force, as JSON; a rejection lives as long as turns."""
    return f"{PREFIX}turn:{turn_id}:review"


def edits(turn_id: str) -> str:
    """hash operator -> text: an edited answer that is not approved yet; lives as long as the turn."""
    return f"{PREFIX}turn:{turn_id}:edits"


def comments(turn_id: str) -> str:
    """list of Comment as JSON: what operators wrote to each other; lives as long as the turn."""
    return f"{PREFIX}turn:{turn_id}:comments"


def opinion(turn_id: str) -> str:
    """string: an Opinion as JSON; lives as long as turns."""
    return f"{PREFIX}turn:{turn_id}:opinion"


def tagged(tag: str) -> str:
    """zset turn -> since (ms): what operators gave a tag, as long as turns."""
    return f"{PREFIX}tag:{tag}"


def batch(batch_id: str, part: str) -> str:
    """list of turns: those that a bulk decision has `waiting`, or `made` with when (turn:ms); lives a day."""
    return f"{PREFIX}batch:{batch_id}:{part}"


def head(chat: str, topic: str | None = None) -> str:
    """string: the newest turn of a chat, or of a topic in it; a conversation continues from it."""
    return f"{PREFIX}chat:{chat}:head" if topic is None else f"{PREFIX}chat:{chat}:topic:{topic}:head"


def latest(chat: str, topic: str | None = None) -> str:
    """string turn: what was asked last in a chat or topic, answered or not; lives as long as turns."""
    return f"{head(chat, topic)}:latest"


def person(author: str) -> str:
    """hash role, consent, first_seen, told, banned: since when (ms), ban_told, language: no lifetime."""
    return f"{PREFIX}person:{author}"


def approved_of(author: str) -> str:
    """set: approved turns whose approval bore out what this author had said; no lifetime, as approvals."""
    return f"{PREFIX}person:{author}:approved"


def skipped(author: str) -> str:
    """set: turns that an operator passed over on their walk through the queue; lives a day."""
    return f"{PREFIX}person:{author}:skipped"


def alerted(event: str) -> str:
    """set: the operators (authors) who were told of an event; lives until it is over, or a week."""
    return f"{PREFIX}alerts:told:{event}"


def invite(code_digest: str) -> str:
    """string role, or role:uses: a link for one or for so many more, by the hash of its code; lives days at most."""
    return f"{PREFIX}invite:{code_digest}"


def pending(chat: str, author: str) -> str:
    """string turn: this author's next message corrects that turn; lives an hour."""
    return f"{PREFIX}chat:{chat}:pending:{author}"


def posted(chat: str, message: int) -> str:
    """string turn: which turn a message of ours shows; lives as long as turns."""
    return f"{PREFIX}chat:{chat}:posted:{message}"


def asked(chat: str, turn_id: str) -> str:
    """string message: the message that asked for the turn, of those in that chat; lives as long as turns."""
    return f"{PREFIX}chat:{chat}:asked:{turn_id}"


def answered(chat: str, message: int) -> str:
    """string turn: the newest that a person's message asked for; lives as long as turns."""
    return f"{PREFIX}chat:{chat}:answered:{message}"


def unanswered(chat: str, author: str, message: int) -> str:
    """string: a person's message has no turn, and which messages say why, separated by commas; lives two days."""
    return f"{PREFIX}chat:{chat}:unanswered:{author}:{message}"


def shown(chat: str, turn_id: str) -> str:
    """string: the messages that show a turn, in order, separated by commas; lives as long as turns."""
    return f"{PREFIX}chat:{chat}:shown:{turn_id}"


def draft(chat: str, author: str, draft_id: str) -> str:
    """string: a Draft as JSON, a correction that was shown and not sent yet; lives a day."""
    return f"{PREFIX}chat:{chat}:draft:{author}:{draft_id}"


def card(chat: str, message: int) -> str:
    """string turn: which turn of the queue a message of ours shows an operator; lives a day."""
    return f"{PREFIX}chat:{chat}:card:{message}"


def thanks(chat: str, turn_id: str, author: str) -> str:
    """string outside id of the chat: where a corrector is told that it went live; until then, or as long as turns."""
    return f"{PREFIX}chat:{chat}:thanks:{turn_id}:{author}"


def amends(chat: str, turn_id: str, author: str) -> str:
    """string outside id of the chat: where who did not like an answer is sent a better one; lives as long as turns."""
    return f"{PREFIX}chat:{chat}:amends:{turn_id}:{author}"


def amended(turn_id: str) -> str:
    """string at (ms): an edited answer was sent to who asked; lives as long as turns."""
    return f"{PREFIX}turn:{turn_id}:amended"


def lease(what: str) -> str:
    """string: which bot is about to say something that no update asked for; lives some seconds, renewed."""
    return f"{PREFIX}lease:{what}"


def lease_notes(what: str) -> str:
    """hash: what was sent of it; gone once all is said, or a day after the last."""
    return f"{PREFIX}lease:{what}:notes"


def handover(handover_id: str) -> str:
    """hash asked: a Handover, holder: its Holder, both as JSON, missed: when (ms) nobody had come, unsaid: that is
    still to be said; as long as turns."""
    return f"{PREFIX}handover:{handover_id}"


def handover_said(handover_id: str) -> str:
    """hash message -> text: what was written since and is not answered; lives as long as the handover."""
    return f"{PREFIX}handover:{handover_id}:said"


def handover_told(handover_id: str) -> str:
    """hash operator -> outside id and message: where each operator sees it; lives as long as the handover."""
    return f"{PREFIX}handover:{handover_id}:told"


def handed_over(chat: str, topic: str | None = None) -> str:
    """string handover: the one of a chat, or of a topic in it; lives as long as it."""
    return f"{head(chat, topic)}:handover"


def forwarded(chat: str, message: int) -> str:
    """string handover: what a message in an operator's chat is from; lives as long as turns."""
    return f"{PREFIX}chat:{chat}:forwarded:{message}"


def version(version_id: str) -> str:
    """hash manifest, report, rejected, retired: since when (ms), marked: when (ms) somebody in it was forgotten,
    refused: why by serving."""
    return f"{PREFIX}version:{version_id}"


def retrieval_version(version_id: str) -> str:
    """hash version: an EmbedderVersion as JSON, marked: when (ms) somebody in it was forgotten; no lifetime."""
    return f"{PREFIX}retrieval:version:{version_id}"


def evidence(version_id: str) -> str:
    """hash trial, windows, evidence: what a version's newest trial as a canary has shown; lives as long as turns."""
    return f"{PREFIX}version:{version_id}:evidence"


def comparison(comparison_id: str) -> str:
    """string: a Comparison as JSON that waits for a pick; lives a day."""
    return f"{PREFIX}comparison:{comparison_id}"


def replica(replica_id: str) -> str:
    """hash installed, leases: one serving process; lives three heartbeats."""
    return f"{PREFIX}replica:{replica_id}"


def run(snapshot: str) -> str:
    """hash state, version, outcome, summary, until, attempts, error: a refresh, by the hash of what it learns from."""
    return f"{PREFIX}run:{snapshot}"


def curve(snapshot: str) -> str:
    """list of {step, figures} as JSON: a training as it goes, the newest points; lives 90 days."""
    return f"{PREFIX}run:{snapshot}:curve"


def pace_closed(scope: str) -> str:
    """string: no call before it is gone, as Telegram asked; by chat, by method where no chat is named, or `bot`."""
    return f"{PREFIX}pace:{scope}:closed"


def pace_sent(scope: str) -> str:
    """list of when (ms) calls went out in a chat or in all (`bot`), newest first; lives a minute at most."""
    return f"{PREFIX}pace:{scope}:sent"


def updates_seen(bot: int) -> str:
    """zset update -> when it was taken (ms): each is taken once; of the last two days."""
    return f"{PREFIX}bot:{bot}:seen"


def lanes(bot: int) -> str:
    """set: the lanes (a chat, a topic, the buttons of a chat) in which an update is not done."""
    return f"{PREFIX}bot:{bot}:lanes"


def lane(bot: int, name: str) -> str:
    """zset update -> its number: what waits in a lane or is being handled; the first is next."""
    return f"{PREFIX}bot:{bot}:lane:{name}"


def lane_holder(bot: int, name: str) -> str:
    """string replica: who handles the lane; lives some seconds, renewed."""
    return f"{PREFIX}bot:{bot}:lane:{name}:holder"


def lane_stopped(bot: int, name: str) -> str:
    """string number: what came into the lane before it is to end; lives an hour."""
    return f"{PREFIX}bot:{bot}:lane:{name}:stopped"


def update(bot: int, update_id: str) -> str:
    """hash update, taken_at (ms), attempts, and what is noted of its handling; gone once done, or after two days."""
    return f"{PREFIX}bot:{bot}:update:{update_id}"


def said_once(bot: int, what: str) -> str:
    """string number: the update for which it was said; it is not said for another as long as this lives."""
    return f"{PREFIX}bot:{bot}:said:{what}"


def used(day: int | str, author: str) -> str:
    """hash messages, tokens: what a person, or `all`, used in a day (since 1970, UTC); lives two days."""
    return f"{PREFIX}used:{day}:{author}"


def spent(month: str) -> str:
    """hash refreshes, seconds: how many ended in a month (UTC), and how long they took together; lives a year."""
    return f"{PREFIX}refresh:spent:{month}"


def minute(number: int | str, author: str) -> str:
    """counter: what a person asked in a minute (since 1970), by when it was written; lives an hour."""
    return f"{PREFIX}minute:{number}:{author}"


def console_invite(code_digest: str) -> str:
    """string role: a link that makes an account of the console, by the hash of its code; lives a day."""
    return f"{PREFIX}console:invite:{code_digest}"


def console_session(id_digest: str) -> str:
    """string name:stamp:begun (ms), of an account: a session by the hash of its id; lives hours after its last use."""
    return f"{PREFIX}console:session:{id_digest}"


def console_tries(kind: str, digest: str) -> str:
    """counter: logins from an address, or failed ones with a name, by its hash; lives minutes."""
    return f"{PREFIX}console:tries:{kind}:{digest}"


def console_visit(name: str) -> str:
    """hash since, seen (ms): when an operator's last visit to today's page ended, and this one's newest look; lives 90
    days after it.
    """
    return f"{PREFIX}console:visit:{name}"
