"""`apprentice feedback review`: the queue in a terminal, one turn at a time."""

import click
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from core.errors import ApprenticeError
from core.records import Scope
from feedback.amends import Amends
from feedback.reviews import QueueItem, Reviews
from feedback.walks import next_item

KEYS = "\\[a]pprove  \\[e]dit  \\[r]eject  \\[s]kip  \\[q]uit"
THUMBS = {1: "👍", -1: "👎", 0: "taken back"}


def review_queue(reviews: Reviews, amends: Amends, reviewer: str, console: Console) -> int:
    """Walk the queue until it is empty or the operator quits. Returns how many decisions were made.

    Raises: StoreUnavailable; decisions made before it are stored.
    """
    decided, skipped = 0, set[str]()
    while True:
        item = next_item(reviews, skipped)
        if item is None:
            console.print("Nothing waits for a decision." if not skipped else "Only what you skipped is left.")
            return decided
        _show(item, reviews.waiting(), console)
        key = console.input(f"{KEYS}: ").strip().lower()[:1]
        if key == "q":
            return decided
        if key in ("a", "e", "r"):
            made = _decide(item, key, reviews, reviewer, console)
            decided += made
            if made and amends.why_not(item.turn.id) is None:
                _offer_amends(item.turn.id, amends, reviewer, console)
        elif key == "s":
            skipped.add(item.turn.id)


def _show(item: QueueItem, waiting: int, console: Console) -> None:
    turn = item.turn
    console.rule(f"{waiting} waiting · {turn.id[:8]} · answered by {turn.adapter[:12]} · {item.why}")
    for past in item.conversation:
        console.print(f"[dim]{escape(past.messages[-1].content)}\n→ {escape(past.reply)}[/]", highlight=False)
    console.print(Panel(escape(turn.messages[-1].content), title="question", title_align="left"))
    console.print(Panel(escape(turn.reply), title="answer", title_align="left"))
    for passage in turn.passages:
        where = escape(f"{passage.source} › {passage.title}")
        console.print(f"[dim]saw {where} ({passage.score:.2f})[/]", highlight=False)
    for vote in item.votes:
        console.print(THUMBS[vote.value], escape(vote.reason or ""))
    for correction in item.corrections:
        console.print(Panel(escape(correction.text), title="correction", title_align="left", border_style="green"))
    if item.suggestion != (item.corrections[0].text if item.corrections else turn.reply):
        console.print(Panel(escape(item.suggestion), title="would be approved", title_align="left"))


def _decide(item: QueueItem, key: str, reviews: Reviews, reviewer: str, console: Console) -> int:
    """Make one decision; 0 where the operator changed their mind, or it was refused."""
    text, why = "", ""
    if key == "r":
        why = console.input("Why? ").strip()
    elif key == "e":
        text = edited(item.suggestion, console)
        if not text:
            console.print("Left as it was.")
            return 0
    scope: Scope = "everyone" if _for_everyone(console) else "chat"
    try:
        if key == "r":
            reviews.decide(item.turn.id, "reject", reviewer, scope, why=why)
        else:
            reviews.approve(item, reviewer, scope, text)
    except ApprenticeError as error:
        console.print(f"[red]{error}[/]")
        return 0
    return 1


def _offer_amends(turn_id: str, amends: Amends, reviewer: str, console: Console) -> None:
    """Whoever asked did not like the answer: the edited one can be sent to them."""
    if console.input("Send it to whoever asked, who did not like the first answer? y/N: ").strip().lower() == "y":
        amends.ask(turn_id, reviewer)
        console.print("The bot sends it, once.")


def edited(suggestion: str, console: Console) -> str:
    """A better text than the suggestion, typed or from an editor; empty where nobody wrote one."""
    console.print(f"[dim]Now: {escape(suggestion)}[/]", highlight=False)
    typed = console.input("New text (empty: open your editor): ").strip()
    return typed or (click.edit(suggestion) or "").strip()


def _for_everyone(console: Console) -> bool:
    """Approved answers for everyone enter shared memory and training; the default stays within the chat."""
    return console.input("For \\[e]veryone, or only this \\[c]hat? (c): ").strip().lower().startswith("e")
