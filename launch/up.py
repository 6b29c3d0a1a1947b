"""`apprentice up`: everything on one machine. Only this module knows that it is one machine."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from pydantic import SecretStr

from core import keys
from core.errors import SettingsError, StoreUnavailable
from core.records import now_ms
from core.settings import Settings, reachable, variable
from core.store import connect, durable
from launch.lifeline import GRACE_S, Lifeline
from launch.locks import FolderLock
from launch.ports import is_free
from launch.service import Say
from launch.supervisor import Role, Supervisor
from launch.valkey import Valkey

ENTRY = Path(__file__).resolve().parent.parent / "apprentice.py"


def up(settings: Settings, environment: Mapping[str, str], say: Say) -> None:
    """Run the database (unless one is given), serving, workers, console, and the bot where there is a token.

    Returns after Ctrl-C or SIGTERM, when everything has stopped.

    Raises: SettingsError where something stands in the way of a start; StoreUnavailable where there is no database.
    """
    with _claim(settings.data_dir, say) as processes:
        _check_ports(settings)
        database = Valkey(settings.data_dir, settings.valkey_port) if settings.redis_url is None else None
        supervisor = Supervisor(roles(settings, environment), Lifeline([processes.fileno()]), say, database)
        _stop_on_signals(supervisor)
        try:
            _open(database, settings, say)
            supervisor.run()
        finally:
            if database is not None:
                database.stop()
    say("Everything has stopped.")


def both_workers(settings: Settings, environment: Mapping[str, str], say: Say) -> None:
    """Run the workers of both queues until told to stop."""
    wanted = [role for role in roles(settings, environment) if role.name.startswith("worker")]
    supervisor = Supervisor(wanted, Lifeline(), say)
    _stop_on_signals(supervisor)
    supervisor.run()


def _stop_on_signals(supervisor: Supervisor) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.stop())


def locks(data_dir: Path) -> tuple[FolderLock, FolderLock]:
    """The lock of a running launcher, and the one its processes hold for as long as any of them lives."""
    return FolderLock(data_dir / "launcher.lock"), FolderLock(data_dir / "processes.lock")


@contextmanager
def _claim(data_dir: Path, say: Say) -> Iterator[FolderLock]:
    """Hold both locks of a data folder; gives the one that processes inherit."""
    launcher, processes = locks(data_dir)
    if not launcher.take(str(os.getpid())):
        raise SettingsError(
            f"Apprentice runs already on {data_dir} (process {launcher.note()}); "
            "stop it first, or set APPRENTICE_DATA_DIR to another folder."
        )
    try:
        if processes.held():
            say("An earlier Apprentice was killed; waiting until its processes have ended.")
        if not processes.take("", wait_s=GRACE_S + 5):
            raise SettingsError(f"processes of an earlier Apprentice still use {data_dir}; end them first.")
        yield processes
    finally:
        processes.release()
        launcher.release()


def _check_ports(settings: Settings) -> None:
    for field, host, port in (
        ("serving_port", settings.serving_host, settings.serving_port),
        ("console_port", settings.console_host, settings.console_port),
    ):
        if not is_free(port, host):
            raise SettingsError(f"port {port} is used by another program; set {variable(field)} to a free port.")


def _open(database: Valkey | None, settings: Settings, say: Say) -> None:
    if database is None:
        with durable(), connect(settings.store_url) as store:
            store.ping()
    else:
        database.start()
        if database.reattached:
            say("valkey still ran, and is taken up again.")
    if settings.telegram_bot_token is None:
        say("No TELEGRAM_BOT_TOKEN is set: there is no bot, and the playground is the way to chat.")


def roles(settings: Settings, environment: Mapping[str, str]) -> list[Role]:
    """The processes of this installation. The bot alone is given the token."""
    common = {**environment, **as_environment(settings)}
    quiet = common | {variable("telegram_bot_token"): ""}
    serving = reachable(settings.serving_host, settings.serving_port)
    console = reachable(settings.console_host, settings.console_port)
    looks = f": chat at {console}/playground, and look after it at {console}"
    found = [
        Role("serving", _command("serve"), quiet, _answers(serving + "/readyz"), f": the API is {serving}/v1"),
        Role("worker train", _command("worker", "train"), quiet, _works(settings, "train")),
        Role("worker tick", _command("worker", "tick"), quiet, _works(settings, "tick")),
        Role("console", _command("console"), quiet, _answers(console + "/healthz"), looks),
    ]
    if settings.telegram_bot_token is not None:
        found.append(Role("bot", _command("bot"), common, None))
    return found


def as_environment(settings: Settings) -> dict[str, str]:
    """Settings as the variables that would give them again, the database in use included."""
    values = {variable(field): getattr(settings, field) for field in Settings.model_fields}
    values[variable("redis_url")] = settings.store_url
    return {name: _text(value) for name, value in values.items()}


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return "" if value is None else str(value)


def _command(*words: str) -> tuple[str, ...]:
    return (sys.executable, str(ENTRY), "--lifeline", *words)


def _answers(url: str) -> Callable[[], bool]:
    def ready() -> bool:
        try:
            return httpx.get(url, timeout=1, trust_env=False).is_success
        except httpx.TransportError:
            return False

    return ready


def _works(settings: Settings, queue: str) -> Callable[[], bool]:
    store, since = connect(settings.store_url), now_ms()

    def ready() -> bool:
        try:
            with durable():
                return int(store.hget(keys.WORKERS, queue) or 0) > since
        except StoreUnavailable:
            return False

    return ready
