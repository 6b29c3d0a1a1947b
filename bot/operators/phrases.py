"""Everything the bot says to operators, by name: `phrases.SKIP` is the message `operators-skip`."""

from adapters.registry import Status
from bot.tongue import say, slug
from core.records import Outcome, Scope
from feedback.tallies import Thumbs

COMMANDS = (
    *("review", "adapters", "promote", "rollback", "stats", "alerts", "inbox", "back", "invite", "ban", "unban"),
)


def __getattr__(name: str) -> str:
    if not name.isupper():
        raise AttributeError(name)
    return say(f"operators-{slug(name)}")


def commands() -> dict[str, str]:
    """Operators' commands, and what they do."""
    return {name: say(f"operators-command-{name}") for name in COMMANDS}


def why_here(why: str) -> str:
    """Why a turn stands where it does in the queue."""
    return say(f"operators-why-{slug(why)}")


def approve_for(scope: Scope) -> str:
    """The button that approves."""
    return say(f"operators-approve-for-{scope}")


def reject_for(scope: Scope) -> str:
    """The button that rejects."""
    return say(f"operators-reject-for-{scope}")


def approved(scope: Scope) -> str:
    """What was decided, on the button that takes it back."""
    return say(f"operators-approved-{scope}")


def rejected(scope: Scope) -> str:
    """What was decided, on the button that takes it back."""
    return say(f"operators-rejected-{scope}")


def card_heading(waiting: int, version: str) -> str:
    """What stands above an answer that is to be decided."""
    return say("operators-card-heading", waiting=waiting, version=version)


def passage(source: str, score: float, excerpt: str) -> str:
    """A passage that an answer was given."""
    return say("operators-passage", source=source, score=f"{score:.2f}", excerpt=excerpt)


def standing(status: Status) -> str:
    """Where a version stands."""
    return say("operators-standing", status=say(f"operators-status-{status}"))


def trial(share: float) -> str:
    """Of a version on trial, how many chats it answers."""
    return say("operators-trial", share=f"{share:.0%}")


def refused(why: str) -> str:
    """Of a version that serving cannot use."""
    return say("operators-refused", why=why)


def gate(outcome: Outcome, wins: int, losses: int, ties: int) -> str:
    """What the gate found."""
    return say("operators-gate", outcome=say(f"operators-gate-{slug(outcome)}"), wins=wins, losses=losses, ties=ties)


def more_versions(count: int) -> str:
    """What stands below a list that is longer."""
    return say("operators-more-versions", count=count)


def shall_i_promote(version: str, live: str) -> str:
    """What a promotion will do."""
    return say("operators-shall-i-promote", version=version, live=live)


def trial_ends(version: str) -> str:
    """What else a promotion will do."""
    return say("operators-trial-ends", version=version)


def incoming_replaced(version: str) -> str:
    """What else a promotion will do."""
    return say("operators-incoming-replaced", version=version)


def shall_i_end_trial(version: str, live: str) -> str:
    """What a rollback will do while a version is on trial."""
    return say("operators-shall-i-end-trial", version=version, live=live)


def shall_i_roll_back(live: str, previous: str) -> str:
    """What a rollback will do."""
    return say("operators-shall-i-roll-back", live=live, previous=previous)


def is_live(version: str) -> str:
    """What is said once a version answers."""
    return say("operators-is-live", version=version)


def will_be_live(version: str) -> str:
    """What is said of a version that is not installed everywhere yet."""
    return say("operators-will-be-live", version=version)


def rolled_back(version: str, live: str) -> str:
    """What is said after a rollback."""
    return say("operators-rolled-back", version=version, live=live)


def figures(answers: int, up: int, down: int) -> str:
    """How much the bot is used, and liked."""
    return say("operators-figures", answers=answers, up=up, down=down)


def live_version(version: str, up: int, down: int) -> str:
    """Which version answers, and how it is liked."""
    return say("operators-live-version", version=version, up=up, down=down)


def on_trial(version: str, share: float, up: int, down: int) -> str:
    """Which version is on trial, and how it is liked."""
    return say("operators-on-trial", version=version, share=f"{share:.0%}", up=up, down=down)


def queue(waiting: int, hours: int) -> str:
    """How long the queue is, and how old."""
    return say("operators-queue", waiting=waiting, hours=hours)


def digest_inbox(count: int) -> str:
    """In the digest: chats that wait for a person."""
    return say("operators-digest-inbox", count=count)


def digest_answers(today: int, before: int) -> str:
    """In the digest: how much was asked, and on the day before."""
    return say("operators-digest-answers", today=today, before=before)


def digest_thumbs(today: Thumbs, before: Thumbs) -> str:
    """In the digest: how answers were liked, and on the day before."""
    return say("operators-digest-thumbs", up=today.up, down=today.down, up_before=before.up, down_before=before.down)


def digest_live(version: str, was: str) -> str:
    """In the digest: a version that went live."""
    return say("operators-digest-live", version=version, was=was)


def digest_yours(count: int) -> str:
    """In the digest: how many of the reader's decisions went live with it."""
    return say("operators-digest-yours", count=count)


def digest_taken_back(version: str) -> str:
    """In the digest: a version that was taken back."""
    return say("operators-digest-taken-back", version=version)


def digest_rejected(version: str) -> str:
    """In the digest: a version that the gate rejected."""
    return say("operators-digest-rejected", version=version)


def digest_failed(why: str) -> str:
    """In the digest: a refresh that failed."""
    return say("operators-digest-failed", why=why)


def trial_taken_back(version: str, live: str, why: str) -> str:
    """An alert: a version on trial was taken back."""
    said = say("operators-trial-taken-back", version=version, live=live)
    return f"{said} {say('operators-trial-taken-back-why', why=why)}" if why else said


def queue_is_long(waiting: int) -> str:
    """An alert: many answers wait."""
    return say("operators-queue-is-long", waiting=waiting)


def worker_is_silent(minutes: int) -> str:
    """An alert: nothing is scheduled any more."""
    return say("operators-worker-is-silent", minutes=minutes)
