"""`apprentice ...`: every command an administrator types. Each imports what it needs when it is called."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from core.errors import ApprenticeError, InvalidInput, SettingsError, StoreUnavailable
from core.log import configure_logging
from core.settings import Settings, load_settings

if TYPE_CHECKING:
    from workers.context import Context
    from workers.lock import RefreshLock
    from workers.search_learning import SearchResult

app = typer.Typer(
    help="A self-hosted Telegram assistant that learns on the job.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
adapters = typer.Typer(help="Adapter versions: which exist, and which one answers.", no_args_is_help=True)
feedback = typer.Typer(help="Feedback: rows in, rows out, decisions, and forgetting.", no_args_is_help=True)
people = typer.Typer(
    help="People: who they are to the bot, what they used today, and who may not use it.", no_args_is_help=True
)
operators = typer.Typer(help="Operators: who decides on answers and versions in Telegram.", no_args_is_help=True)
retrieval = typer.Typer(help="What the search learned from feedback, and the way back.")
console = typer.Typer()
bench = typer.Typer(help="Measure this machine with this release.", no_args_is_help=True)
app.add_typer(bench, name="bench")
app.add_typer(adapters, name="adapters")
app.add_typer(feedback, name="feedback")
app.add_typer(people, name="people")
app.add_typer(operators, name="operators")
app.add_typer(retrieval, name="retrieval")
app.add_typer(console, name="console")

Version = Annotated[str, typer.Argument(help="The beginning of a version's id, or `base`.")]
User = Annotated[str, typer.Argument(help="A number in Telegram, an author of the API, or a pseudonym.")]
Why = Annotated[str, typer.Option(help="The reason, for the audit log.")]
TelegramUser = Annotated[int, typer.Argument(min=1, help="A person's number in Telegram.")]
Data = Annotated[Path, typer.Option(help="Folder with the public data sets, one folder each.")]
ToFile = Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


# Threads of a product that wait for each other by spinning take the cores from every other process: beside one busy
# process, training on two cores went from 10 to 124 tokens/s with this. It must be set before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main() -> None:
    """Run a command; what a person can put right is one sentence on standard error, without a traceback."""
    try:
        app()
    except StoreUnavailable as error:
        hint = " Does Apprentice run? `apprentice up` starts it." if _awaits_up() else ""
        print(f"{error}{hint}", file=sys.stderr)
        sys.exit(1)
    except ApprenticeError as error:
        print(error, file=sys.stderr)
        sys.exit(2 if isinstance(error, SettingsError) else 1)


def _awaits_up() -> bool:
    """Whether the command given needs the bundled database of an installation that `up` starts."""
    return {"up", "demo", "bench"}.isdisjoint(sys.argv[1:2]) and _settings().redis_url is None


@app.callback()
def _every(lifeline: Annotated[bool, typer.Option("--lifeline", hidden=True)] = False) -> None:
    if lifeline:
        from launch.lifeline import hold

        hold()


def _settings() -> Settings:
    return load_settings(os.environ)


def _process_settings() -> Settings:
    """The settings of a process that runs on, with its log set up."""
    settings = _settings()
    configure_logging(settings)
    return settings


def _say(line: str) -> None:
    print(line, flush=True)


@app.command()
def up() -> None:
    """Run everything on this machine: database, serving, workers, console, and the bot where there is a token."""
    from launch.up import up

    up(_settings(), os.environ, _say)


@app.command()
def doctor(online: Annotated[bool, typer.Option(help="Ask Telegram about the token.")] = False) -> None:
    """Say what is missing or weak, in sentences; exit code 1 where something prevents a start."""
    from launch.doctor import examine

    marks = {"well": "  ok ", "weak": "weak ", "stop": "STOP "}
    findings = []
    for finding in examine(_settings(), online):
        findings.append(finding)
        _say(marks[finding.level] + finding.sentence)
    if any(finding.level == "stop" for finding in findings):
        raise typer.Exit(1)


@app.command()
def serve() -> None:
    """Run the HTTP API and the model."""
    # A decode step is hundreds of short products, and waking a sleeping thread for each doubles its time: here threads
    # wait awake, but for a twentieth of a millisecond only.
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    settings = _process_settings()
    from adapters.base import prepare_base
    from core.threads import compute_with
    from serving.app import run

    compute_with()
    with _progress() as progress:
        base = prepare_base(settings.model, settings.data_dir, progress)
    run(settings, base)


@app.command()
def worker(
    queue: Annotated[
        Literal["train", "tick"] | None, typer.Argument(help="One queue; both, where none is named.")
    ] = None,
) -> None:
    """Run a worker: `train` tunes adapters, `tick` keeps the schedule."""
    settings = _process_settings()
    if queue is None:
        from launch.up import both_workers

        both_workers(settings, os.environ, _say)
    else:
        from workers.app import run

        run(settings, queue)


@console.callback(invoke_without_command=True)
def run_console(context: typer.Context) -> None:
    """Run the operators' pages and the playground, or invite somebody to them."""
    if context.invoked_subcommand is not None:
        return
    settings = _process_settings()
    from console.app import run

    run(settings)


@console.command("invite")
def invite_to_console(role: Annotated[Literal["viewer", "reviewer", "admin"], typer.Argument()]) -> None:
    """Print a link that makes one account of the console; the first one must be an admin's."""
    settings = _settings()
    from console.accounts import Accounts
    from core.store import connect
    from feedback.audit import AuditLog

    store = connect(settings.store_url)
    code = Accounts(store).invite(role)
    AuditLog(store).note("operator", "invite", role)
    _say(f"Open {settings.console_base}/invitation/{code} to make the account; the link works once, for a day.")


@app.command()
def bot() -> None:
    """Run the Telegram bot."""
    settings = _process_settings()
    from bot.app import run

    run(settings)


@app.command()
def chat() -> None:
    """Talk to the assistant in this terminal."""
    from rich.console import Console

    from console.terminal import chat

    chat(_settings(), Console())


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders: Markdown, text, HTML, PDF, DOCX.")],
) -> None:
    """Read documents, so that answers cite them; call it again after changing or removing files."""
    settings = _settings()
    from retrieval.embedder import Embedder
    from retrieval.ingest import ingest

    with _progress() as progress:
        report = ingest(settings.data_dir, paths, Embedder.load(settings.embedder), progress=progress)
    for refusal in report.refused.values():
        print(refusal, file=sys.stderr)
    counts = f"{report.added} added, {report.changed} changed, {report.removed} removed, {report.unchanged} unchanged"
    _say(f"{counts}; the index holds {report.chunks} passages.")
    if report.refused and not report.added + report.changed + report.unchanged:
        raise typer.Exit(1)


@app.command()
def refresh(
    now: Annotated[bool, typer.Option("--now", help="Do one here, and wait for it.")] = False,
    domain: Annotated[bool, typer.Option("--domain", help="Learn the ingested documents as well.")] = False,
    practice: Annotated[
        bool,
        typer.Option("--practice", help="First try answers to programs that were asked for, to learn of them."),
    ] = False,
    search: Annotated[bool, typer.Option("--retrieval", help="Let the search learn, and nothing else.")] = False,
) -> None:
    """Say how far the next refresh is, or do one now: tune an adapter, judge it, and let a better one answer.

    With --domain or --practice and without --now, the schedule does one that learns the documents, or of answers that
    it tries, before the feedback. With --retrieval it is the search alone that learns.
    """
    from feedback.progress import read_progress
    from workers.context import open_context

    context = open_context(_settings())
    if search:
        _refresh_search(context, now)
        return
    if (domain or practice) and not now:
        _ask_for(context, domain, practice)
        _say(f"{_wishes(domain, practice)}: the schedule starts a refresh as soon as it may.")
        return
    if not now:
        _say(str(read_progress(context.store, context.settings.refresh_min_items)))
        return
    from training.report import as_text
    from workers.cycle import learn

    with _refreshing(context) as (lock, progress):
        _ask_for(context, domain, practice)
        done = learn(context, lock, progress, again=True)
    if done.practice:
        _say(f"practice: {done.practice.summary}")
    if done.search:
        _say_search(done.search)
    result = done.refresh
    if result is None:
        raise typer.Exit(1)
    if result.report:
        _say(as_text(result.report))
    _say(f"{result.outcome}: {result.summary}")
    if result.outcome in ("failed", "postponed"):
        raise typer.Exit(1)


@app.command("search-hparams")
def search_hparams(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to search; Ctrl-C ends it earlier.")] = 30,
    objective: Annotated[
        Literal["watched", "answers"],
        typer.Option(help="What is scored: likeliest tokens after each pass, or whole answers in the gate's eyes."),
    ] = "watched",
) -> None:
    """Look for better settings of a training on what may be learned from, and print them for .env."""
    from workers.context import open_context
    from workers.tuning import search

    for line in search(open_context(_settings()), minutes, objective, _say):
        _say(line)


def _ask_for(context: "Context", domain: bool, practice: bool) -> None:
    from workers.due import ask_for_documents

    if domain:
        ask_for_documents(context)
    if practice:
        context.practice.ask()


def _wishes(domain: bool, practice: bool) -> str:
    wishes = ["the documents will be learned"] * domain + ["it will practise"] * practice
    return " and ".join(wishes).capitalize()


def _refresh_search(context: "Context", now: bool) -> None:
    from feedback.embedders import Embedders

    Embedders(context.store).ask()
    if not now:
        _say("The search will learn: the schedule starts it as soon as it may.")
        return
    from workers.search_learning import learn_to_search

    with _refreshing(context) as (lock, progress):
        result = learn_to_search(context, lock, progress)
    if result:
        _say_search(result)
        if result.outcome == "failed":
            raise typer.Exit(1)


def _say_search(result: "SearchResult") -> None:
    from training.retrieval_gate import as_lines

    for line in as_lines(result.report) if result.report else ():
        _say(line)
    _say(f"the search: {result.outcome}: {result.summary}")


@contextmanager
def _refreshing(context: "Context") -> Iterator[tuple["RefreshLock", Callable[[str, int, int], None]]]:
    """The lock of refreshes, and a progress bar."""
    from workers.lock import RefreshLock

    with RefreshLock(context.store, context.settings.lock_s) as lock:
        if not lock.try_acquire():
            raise InvalidInput("a refresh is running already; `apprentice refresh` says how far it is.")
        with _progress() as progress:
            yield lock, progress


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on standard error, for `progress(stage, done, total)`."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda stage, done, total: bar.update(task, description=stage, completed=done, total=total or None)


@retrieval.callback(invoke_without_command=True)
def show_retrieval(context: typer.Context) -> None:
    """What the search learned, newest first: what it was compared with, and the figures before and after."""
    if context.invoked_subcommand is not None:
        return
    from feedback.embedders import Embedders
    from retrieval.generations import current_learned
    from training.retrieval_gate import as_lines
    from workers.context import open_context

    opened = open_context(_settings())
    embedders, used = Embedders(opened.store), current_learned(opened.settings.data_dir)
    versions = embedders.all()
    for version in versions:
        state = "in use" if version.id == used else "not in use"
        state += ", learned from somebody who was forgotten" if embedders.marked(version.id) else ""
        _say(f"{version.id[:12]}  {state}: {version.report.outcome}, from {version.pairs} questions")
        _say(f"  {version.report.summary}")
        for line in as_lines(version.report):
            _say(line)
    if used is None:
        nothing = "" if versions else "; it has learned nothing yet"
        _say(f"The search reads questions as the embedder does{nothing}.")


@retrieval.command("rollback")
def rollback_retrieval(why: Why = "") -> None:
    """Let the search be as it was before it learned last."""
    from workers.context import open_context
    from workers.searching import roll_back

    before = roll_back(open_context(_settings()), "operator", why)
    _say(f"{before[:12]} is in use again." if before else "The search reads questions as the embedder does.")


@adapters.command("list")
def list_adapters(as_json: AsJson = False) -> None:
    """Every version, newest first."""
    from feedback.evidence import summary
    from workers.context import open_context

    context = open_context(_settings())
    versions = context.registry.versions()
    if as_json:
        _say(json.dumps([{"id": v.id, "status": v.status, "created_at": v.created_at} for v in versions]))
        return
    for version in versions:
        outcome = version.report.summary if version.report else "never judged"
        outcome = f"on trial: {summary(context.outcomes.evidence(version.id))}" if version.canary else outcome
        outcome = f"refused by serving: {version.refused}" if version.refused else outcome
        outcome = f"learned from somebody who was forgotten; {outcome}" if version.marked else outcome
        _say(f"{version.id[:12]}  {version.status:9}  {outcome}")
    if not versions:
        _say("There is no version yet: the base model answers.")


@adapters.command("show")
def show_adapter(version: Version, as_json: AsJson = False) -> None:
    """One version: what it is made of, what the gate found, and how its trial with a share of the chats goes.

    With --json it names every turn that it learned from.
    """
    from core.records import to_json
    from feedback.evidence import summary
    from training.report import as_text, examples, made_of
    from workers.context import open_context

    context = open_context(_settings())
    found = context.registry.get(version)
    known = context.outcomes.evidence(found.id)
    trial = summary(known) if found.canary or known.windows else None
    if as_json:
        report = json.loads(to_json(found.report)) if found.report else None
        canary = json.loads(to_json(found.canary)) if found.canary else None
        manifest = json.loads(to_json(found.manifest))
        standing = {"status": found.status, "refused": found.refused, "marked": found.marked}
        facts = standing | {"canary": canary, "trial": trial}
        _say(json.dumps(facts | {"manifest": manifest, "report": report}, indent=2, ensure_ascii=False))
        return
    for line in (f"{found.id[:12]} ({found.status})", *made_of(found.manifest)):
        _say(line)
    if found.marked:
        _say("learned from somebody who was forgotten: it is never promoted again")
    if found.refused:
        _say(f"refused by serving: {found.refused}")
    if found.canary is not None:
        _say(f"on trial with {found.canary.share:.0%} of the chats: {trial}")
    elif trial:
        _say(f"its trial has ended: {trial}")
    if found.report is None:
        _say("never judged")
        return
    _say(as_text(found.report, examples(found.report, context.turns, context.reviews)))
    _say(f"{found.report.outcome}: {found.report.summary}")


@adapters.command("install")
def install_adapter(folder: Annotated[Path, typer.Argument(help="A folder that PEFT saved, or a version's.")]) -> None:
    """Check an adapter made elsewhere and keep it as a version; `promote` lets it answer."""
    settings = _settings()
    from adapters.base import load_tokenizer, prepare_base
    from adapters.install import install
    from adapters.verify import MAX_RANK
    from core.prompt import Renderer
    from workers.context import open_context

    base = prepare_base(settings.model, settings.data_dir)
    identity = Renderer(load_tokenizer(base), base.tokenizer_hash, settings.prompt_tokens).identity
    max_rank = max(settings.lora_rank, MAX_RANK)
    manifest = install(open_context(settings).registry, folder, base, identity, max_rank, settings.engine)
    _say(f"{manifest.id[:12]} is installed; `apprentice adapters promote {manifest.id[:12]}` lets it answer.")


@adapters.command("promote")
def promote_adapter(version: Version, why: Why = "") -> None:
    """Let a version answer, judged or not, as soon as every serving process has it."""
    from workers.context import open_context

    registry = open_context(_settings()).registry
    registry.promote(version, "operator", why)
    aliases = registry.aliases()
    _say(f"{aliases.live[:12]} is live." if aliases.incoming is None else f"{aliases.incoming[:12]} will be live soon.")


@adapters.command("share")
def share_adapter(
    share: Annotated[float, typer.Argument(help="Such as 0.2: a fifth of the chats.")], why: Why = ""
) -> None:
    """Try the version on trial with another share of the chats."""
    from workers.context import open_context

    registry = open_context(_settings()).registry
    registry.share_canary(share, "operator", why)
    canary = registry.aliases().canary
    _say(f"{canary.version[:12]} is tried with {canary.share:.0%} of the chats." if canary else "The trial has ended.")


@adapters.command("rollback")
def rollback_adapter(why: Why = "") -> None:
    """Take back what came last: a version on trial, or the one that is live, for the one before."""
    from workers.context import open_context

    registry = open_context(_settings()).registry
    canary = registry.aliases().canary
    live = registry.rollback("operator", why)
    taken_back = f"The trial of {canary.version[:12]} has ended; " if canary else ""
    _say(f"{taken_back}{live[:12]} is live.")


@feedback.command("import")
def import_feedback(
    file: Annotated[Path, typer.Argument(help="JSONL of {prompt|messages, completion}, pairs or thumbs.")],
) -> None:
    """Import rows as reviewed answers, pairs or thumbs."""
    from feedback.rows import import_rows
    from workers.context import open_context

    context = open_context(_settings())
    report = import_rows(file, context.turns, context.ratings, context.reviews)
    for refusal in report.refused:
        print(refusal, file=sys.stderr)
    taken = report.approved + report.corrected + report.rated
    _say(f"{report.approved} approved, {report.corrected} corrected, {report.rated} rated.")
    if report.refused and not taken:
        raise typer.Exit(1)


@feedback.command("export")
def export_feedback(file: Annotated[Path, typer.Argument(help="Where to write, one row a line.")]) -> None:
    """Write every approved answer as a row that can be imported again."""
    from feedback.rows import export_rows
    from workers.context import open_context

    context = open_context(_settings())
    rows = [json.dumps(row, ensure_ascii=False) + "\n" for row in export_rows(context.turns, context.reviews)]
    try:
        file.write_text("".join(rows), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}.") from error
    _say(f"{len(rows)} rows written to {file}.")


@feedback.command("review")
def review_feedback() -> None:
    """Approve, edit or reject what waits for a decision."""
    from getpass import getuser

    from rich.console import Console

    from console.review import review_queue
    from workers.context import open_context

    context = open_context(_settings())
    review_queue(context.reviews, context.amends, getuser(), Console())


@feedback.command("send")
def send_feedback(turn: Annotated[str, typer.Argument(help="A turn's id.")]) -> None:
    """Have the bot send an edited answer to whoever asked and did not like the first, once."""
    from getpass import getuser

    from workers.context import open_context

    open_context(_settings()).amends.ask(turn, getuser())
    _say("The bot sends it, once.")


@feedback.command("show")
def show_feedback(turn: Annotated[str, typer.Argument(help="A turn's id.")]) -> None:
    """One turn, what was said about it, the decision, and every version that learned from it, as JSON."""
    from core.records import to_json
    from workers.context import open_context

    context = open_context(_settings())
    item, review = context.reviews.item(turn), context.reviews.get(turn)
    facts = {
        "turn": json.loads(to_json(item.turn)),
        "votes": [json.loads(to_json(vote)) for vote in item.votes],
        "corrections": [json.loads(to_json(correction)) for correction in item.corrections],
        "regenerations": [json.loads(to_json(regeneration)) for regeneration in item.regenerations],
        "review": json.loads(to_json(review)) if review else None,
        "adapters": context.registry.marks.saw(turn),
    }
    _say(json.dumps(facts, indent=2, ensure_ascii=False))


@feedback.command("forget")
def forget_person(user: User) -> None:
    """Remove everything that is of a person, for good, and mark the versions that learned from them."""
    from core.errors import NotFound
    from retrieval.sent import take_out_all
    from workers.context import open_context

    settings = _settings()
    forgetting = open_context(settings).forgetting
    author = forgetting.author_of(user)
    documents = take_out_all(settings.data_dir, author)
    forgotten = forgetting.forget(author, "operator")
    if forgotten is None and not documents:
        raise NotFound(f"nothing is known of {user}; give their number in Telegram, or the author that turns name.")
    if documents:
        _say(f"removed: documents sent to chats {documents}.")
    if forgotten is not None:
        _say(f"{forgotten}.")


@people.command("list")
def list_people(as_json: AsJson = False) -> None:
    """Everybody who has a record, under their pseudonym, and what they used of their budgets today (UTC)."""
    from feedback.budgets import Budgets
    from workers.context import open_context

    settings = _settings()
    context = open_context(settings)
    budgets, found = Budgets(context.store, settings), []
    for author in context.people.authors():
        person, used = context.people.person(author), budgets.used(author)
        facts = {"author": author, "role": person.role, "banned": person.banned}
        found.append(facts | {"messages": used.messages, "tokens": used.tokens})
    if as_json:
        _say(json.dumps(found))
        return
    for each in found:
        role = "banned" if each["banned"] else each["role"] or "stranger"
        _say(f"{each['author']}  {role:8}  today: {each['messages']} questions, {each['tokens']} tokens")
    together = budgets.used()
    _say(f"all together today: {together.messages} questions, {together.tokens} tokens")


@people.command("ban")
def ban_person(user: User) -> None:
    """Answer a person no more, and store nothing of what they write; `people unban` takes it back."""
    from workers.context import open_context

    context = open_context(_settings())
    context.people.ban(context.forgetting.author_of(user))
    _say(f"{user} is banned.")


@people.command("unban")
def unban_person(user: User) -> None:
    """Take a ban back; they may do what they might before."""
    from core.errors import NotFound
    from workers.context import open_context

    context = open_context(_settings())
    if not context.people.unban(context.forgetting.author_of(user)):
        raise NotFound(f"{user} is not banned; `apprentice people list` shows who is.")
    _say(f"{user} is not banned any more.")


@operators.command("list")
def list_operators() -> None:
    """Who decides in Telegram, and whether they want to hear of alerts."""
    from workers.context import open_context

    found = open_context(_settings()).people.operators()
    for address, alerts in found.items():
        _say(f"{address.removeprefix('telegram:'):12}  {'alerts' if alerts else 'no alerts'}")
    if not found:
        _say("There is no owner and no operator yet.")


@operators.command("add")
def add_operator(user: TelegramUser) -> None:
    """Make a person an operator, by their number in Telegram."""
    from workers.context import open_context

    context, address = open_context(_settings()), f"telegram:{user}"
    context.people.appoint(context.forgetting.author_of(str(user)), address)
    _say(f"{user} is an operator now, and sees the commands in the chat with the bot.")


@operators.command("remove")
def remove_operator(user: TelegramUser) -> None:
    """Make an operator a member again."""
    from workers.context import open_context

    context, address = open_context(_settings()), f"telegram:{user}"
    context.people.dismiss(context.forgetting.author_of(str(user)), address)
    _say(f"{user} is no operator any more.")


@operators.command("invite")
def invite_operator() -> None:
    """Print a link that makes whoever opens it first an operator."""
    from workers.context import open_context

    link = open_context(_settings()).people.link("operator")
    _say(f"Send {link} to the new operator; the link works once, for a day.")


@app.command()
def inbox() -> None:
    """List the chats that wait for a person or talk with one; operators answer them in Telegram or the console."""
    from datetime import UTC, datetime

    from feedback.handovers import Handovers, last_exchange
    from workers.context import open_context

    context = open_context(_settings())
    cases = Handovers(context.store, context.turns).inbox()
    for case in cases:
        handover, holder = case.handover, case.holder
        state = f"{holder.name} has it" if holder else "nobody came in time" if case.missed else "waits"
        asked, answered = last_exchange(context.turns, handover)
        at = datetime.fromtimestamp(handover.created_at / 1000, UTC)
        _say(f"{handover.chat[:6]}  {at:%Y-%m-%d %H:%M} UTC  {state}")
        for text in (asked, answered, *(said for _, said in case.said)):
            if text:
                _say(f"    {' '.join(text.split())}")
    if not cases:
        _say("The inbox is empty: no chat waits for a person.")


@app.command()
def demo() -> None:
    """Play the whole loop in about five minutes, in an installation of its own that leaves nothing behind."""
    from tempfile import TemporaryDirectory

    from rich.console import Console

    from bench.demo import run

    with TemporaryDirectory() as folder:
        run(Path(folder), Console())


@bench.command("search")
def bench_search(data: Data, file: ToFile = None) -> None:
    """Are answers grounded, honest where nothing is found, and corrected where the same is asked again?"""
    from bench.search import run

    _report(run(data, _say), file)


@bench.command("learn")
def bench_learn(
    data: Data,
    preset: Annotated[
        Literal["once", "quick", "standard", "full"],
        typer.Option(help="One refresh on 300 corrections, or a stream of refreshes: quick, standard or full."),
    ] = "once",
    file: ToFile = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw a stream here, as SVG.")] = None,
) -> None:
    """Corrections in, refreshes: how much better are the answers, and is anything forgotten?"""
    if preset == "once":
        from bench import learn

        _report(learn.run(data, _say), file)
        return
    from bench import continual
    from bench.curve import draw

    result = continual.run(data, preset, file, _say)
    _report(result, file)
    _write(draw(result), plot)


@bench.command("train")
def bench_train(data: Data, file: ToFile = None) -> None:
    """How fast is training, beside TRL's SFTTrainer?"""
    from bench.tuning import run

    _report(run(data, _say), file)


@bench.command("tuning-methods")
def bench_tuning_methods(data: Data, file: ToFile = None) -> None:
    """What do LoRA, rsLoRA, DoRA, IA3 and prefix tuning make of the same rows?"""
    from bench.methods import run

    _report(run(data, _say), file)


@bench.command("review")
def bench_review(data: Data, file: ToFile = None) -> None:
    """How many of the wrong answers does a budget of reviews see, in our order and in others?"""
    from bench.review import run

    _report(run(data, _say), file)


@bench.command("console")
def bench_console(file: ToFile = None) -> None:
    """How fast are the review queue's pages over ten thousand waiting answers?"""
    from rich.console import Console

    from bench.console import run, show

    result = run(_say)
    show(result, Console())
    _write(json.dumps(result, indent=2), file)


@bench.command("poison")
def bench_poison(data: Data, file: ToFile = None) -> None:
    """What can one malicious author do to a refresh, with the defences and without?"""
    from bench.poison import run

    _report(run(data, _say), file)


@bench.command("thumbs")
def bench_thumbs(data: Data, file: ToFile = None) -> None:
    """Do thumbs alone, without a correction, make more of the answers right?"""
    from bench.thumbs import run

    _report(run(data, _say), file)


@bench.command("outcomes")
def bench_outcomes(
    data: Data,
    part: Annotated[Literal["practice", "head", "search"] | None, typer.Option(help="One part alone.")] = None,
    file: ToFile = None,
) -> None:
    """Do programs run more often after practice, does a version know when it is right, and does the search learn?"""
    from bench.outcomes import run

    _report(run(data, part, _say), file)


@bench.command("fresh")
def bench_fresh(data: Data, file: ToFile = None) -> None:
    """How soon do approved corrections answer: many by a refresh, one by memory?"""
    from bench.fresh import run

    _report(run(data, _say), file)


@bench.command("gate")
def bench_gate(
    scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also of a real pair: what `adapters show ID --json` printed."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Also of a pair that is tuned here, with two seeds; the public data's folder.")
    ] = None,
    file: ToFile = None,
) -> None:
    """How often does the gate promote what is no better, and find what is?"""
    from tempfile import TemporaryDirectory

    from rich.console import Console

    from bench.gate import run
    from bench.report import show_gate

    tuned = None
    if data:
        from bench.arms import equal_pair

        with TemporaryDirectory() as folder:
            tuned = equal_pair(data, Path(folder))
    result = run(_say, scores, tuned)
    show_gate(result, Console())
    _write(json.dumps(result, indent=2), file)


@bench.command("serve")
def bench_serve(
    against: Annotated[
        list[str] | None, typer.Option(metavar="URL[,MODEL]", help="Another OpenAI-compatible server; may be repeated.")
    ] = None,
    file: ToFile = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw the figures here, as SVG.")] = None,
) -> None:
    """How fast does it answer, with and without adapters, and beside other servers?"""
    from rich.console import Console

    from bench.plot import draw
    from bench.report import show_serve
    from bench.serve import run

    result = run(against or (), _say)
    show_serve(result, Console())
    _write(json.dumps(result, indent=2), file)
    _write(draw(result), plot)


@bench.command("canary")
def bench_canary(file: ToFile = None) -> None:
    """How often does the test of a canary err, and how soon does it find a worse version? Simulated chats."""
    from bench.alarms import run

    _write(json.dumps(run(_say), indent=2), file)


@bench.command("telegram")
def bench_telegram(file: ToFile = None) -> None:
    """Does the bot lose or repeat an answer when 50 chats ask at once and Telegram refuses every tenth call?"""
    from rich.console import Console

    from bench.report import show_bars
    from bench.telegram import run

    result = run(_say)
    _report(result, file)
    show_bars(result, Console())


@bench.command("sandbox")
def bench_sandbox(file: ToFile = None) -> None:
    """Do two hundred hostile programs in the sandbox show in the gaps between tokens?"""
    from bench.storm import run

    _report(run(_say), file)


@bench.command("swap")
def bench_swap(file: ToFile = None) -> None:
    """Do twenty swaps under load show in the gaps between tokens?"""
    from rich.console import Console

    from bench.report import show_swap
    from bench.swap import run

    result = run(_say)
    show_swap(result, Console())
    _write(json.dumps(result, indent=2), file)


@bench.command("adapters")
def bench_adapters(folder: Annotated[Path, typer.Argument(help="Where to write them.")]) -> None:
    """Write the two adapters that `serve` measures with, for other servers to load, beside what they belong to."""
    from adapters.base import prepare_base
    from bench.lora import write_adapters

    settings = _settings()
    with _progress() as progress:
        base = prepare_base(settings.model, settings.data_dir, progress)
    try:
        made = write_adapters(base, folder)
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be written: {error.strerror}.") from error
    _say(f"{', '.join(map(str, made))} belong to the model in {base.folder}.")


def _report(figures: dict[str, Any], file: Path | None) -> None:
    text = json.dumps(figures, indent=2)
    _say(text)
    _write(text, file)


def _write(text: str, file: Path | None) -> None:
    """Write a text where a file is named."""
    if file:
        try:
            file.write_text(text.rstrip() + "\n", encoding="utf-8")
        except OSError as error:
            raise InvalidInput(f"{file} cannot be written: {error.strerror}.") from error


if __name__ == "__main__":
    main()
