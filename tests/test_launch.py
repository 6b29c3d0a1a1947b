"""The launcher: the bundled database, processes that come back, and an end that leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import psutil
import pytest
import redis
from conftest import free_port

from core.errors import SettingsError, StoreUnavailable
from core.settings import Settings
from launch.doctor import examine
from launch.lifeline import Lifeline
from launch.locks import FolderLock
from launch.service import Ending, Keeper
from launch.supervisor import Role, Supervisor
from launch.up import locks, roles, up
from launch.valkey import Valkey
from tests.http_proxy import http_proxy
from tests.waiting import until

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "123456789:AAF-abcdefghijklmnopqrstuvwxyz012345"
SLEEPER = "import time; time.sleep(600)"


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def database(tmp_path):
    """A way to make databases that are stopped at the end."""
    made = []

    def make(folder=tmp_path, port=None):
        made.append(Valkey(folder, port or free_port()))
        return made[-1]

    yield make
    for valkey in made:
        valkey.stop()


def ask(valkey: Valkey) -> redis.Redis:
    return redis.Redis(port=valkey.port, decode_responses=True)


# The bundled database


def test_the_database_keeps_what_it_acknowledges(database):
    valkey = database()
    valkey.start()
    with ask(valkey) as client:
        wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "bind": "127.0.0.1"}
        assert client.config_get(*wanted) == wanted
        client.set("thumb", "up")
        pid = client.info("server")["process_id"]
    os.kill(pid, signal.SIGKILL)
    assert until(valkey.ended, "the end").how
    valkey.start()
    with ask(valkey) as client:
        assert client.get("thumb") == "up"
    valkey.stop()
    assert valkey.ended() and gone(pid)


def test_a_database_that_a_killed_launcher_left_is_taken_up_again(database, tmp_path):
    port = free_port()
    code = f"""
import os, signal
from pathlib import Path
from launch.valkey import Valkey
from tests.waiting import until
Valkey(Path({str(tmp_path)!r}), {port}).start()
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -signal.SIGKILL
    valkey = Valkey(tmp_path, port)
    with ask(valkey) as client:
        pid = client.info("server")["process_id"]
        client.set("thumb", "up")
    valkey.start()
    assert valkey.reattached and valkey.ended() is None
    moved = database()
    moved.start()
    with ask(moved) as client:
        assert client.get("thumb") == "up" and client.info("server")["process_id"] != pid
    assert gone(pid) and not moved.reattached


def test_a_foreign_program_on_the_port_is_named_with_the_setting(database):
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {port} .* APPRENTICE_VALKEY_PORT"):
            database(port=port).start()


def test_two_data_folders_live_side_by_side(database, tmp_path):
    one, two = database(tmp_path / "one"), database(tmp_path / "two")
    one.start(), two.start()
    with ask(one) as first, ask(two) as second:
        first.set("who", "one")
        assert second.get("who") is None


def test_a_database_that_cannot_start_names_its_log(database):
    valkey = database()
    valkey.start()
    valkey.stop()
    (incr,) = valkey.folder.glob("appendonlydir/*.manifest")
    incr.write_text("not a manifest\n")
    with pytest.raises(StoreUnavailable, match="valkey.log"):
        valkey.start()


# Locks


def test_a_lock_lasts_as_long_as_the_last_process_that_inherited_it(tmp_path):
    lock, other = FolderLock(tmp_path / "lock"), FolderLock(tmp_path / "lock")
    assert not lock.held() and lock.take("me")
    child = subprocess.Popen([sys.executable, "-c", SLEEPER], pass_fds=[lock.fileno()])
    lock.release()
    assert other.held() and other.note() == "me" and not other.take("you")
    child.kill(), child.wait()
    assert other.take("you")


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="APPRENTICE_DATA_DIR"):
        FolderLock(tmp_path / "file" / "lock").take("me")


# Processes that come back


class Flaky:
    name = "flaky"

    def __init__(self):
        self.starts, self.ending = 0, Ending("exit code 1")

    def start(self):
        self.starts += 1
        if self.starts == 3:
            raise StoreUnavailable("the disk is full")

    def ended(self):
        return self.ending


def test_pauses_grow_to_half_a_minute_and_a_healthy_minute_resets_them():
    now, said, service = [0.0], [], Flaky()
    keeper = Keeper(service, said.append, lambda: now[0])
    keeper.start()
    for _ in range(1200):
        keeper.look()
        now[0] += 0.1
    assert [int(line.split(" in ")[1].split()[0]) for line in said] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert "the disk is full" in said[2]
    service.ending = None
    wait = [keeper.look() or now.__setitem__(0, now[0] + 1) for _ in range(100)]
    assert any(wait)
    now[0] += 61
    service.ending = Ending("killed by SIGKILL")
    keeper.look()
    assert said[-1].endswith("it starts again in 1 s.") and "SIGKILL" in said[-1]


def role(name, code, ready=None):
    return Role(name, (sys.executable, "-c", code), dict(os.environ), ready)


@pytest.fixture
def supervised():
    """Runs a supervisor over roles in a thread; what it said, and a way to stop it."""
    running = []

    def run(*wanted):
        said = []
        supervisor = Supervisor(wanted, Lifeline(), said.append)
        thread = threading.Thread(target=supervisor.run)
        thread.start()
        running.append((supervisor, thread))
        return said, supervisor, thread

    yield run
    for supervisor, thread in running:
        supervisor.stop(), supervisor.stop(), thread.join()


def test_what_dies_is_restarted_and_what_is_set_up_wrongly_is_not(supervised, tmp_path):
    marks = tmp_path / "marks"
    dying = f"""
import os, time
with open({str(marks)!r}, "a") as file:
    file.write("x")
if os.stat({str(marks)!r}).st_size < 2:
    os.kill(os.getpid(), 9)
time.sleep(600)
"""
    said, _, _ = supervised(
        role("worker", dying, ready=lambda: marks.exists() and marks.stat().st_size == 2),
        role("bot", f"raise SystemExit({os.EX_CONFIG})"),
    )
    until(lambda: "worker is ready." in said, "the worker")
    assert "worker ended (killed by SIGKILL); it starts again in 1 s." in said
    assert sum(line.startswith("bot ") for line in said) == 1 and "the rest stays up" in "".join(said)


def test_an_end_leaves_no_process_of_the_group_behind(supervised, tmp_path):
    pids = tmp_path / "pids"
    code = f"""
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
other = subprocess.Popen([sys.executable, "-c", {SLEEPER!r}])
open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{other.pid}} ")
time.sleep(600)
"""
    said, supervisor, thread = supervised(role("stubborn", code))
    found = [int(pid) for pid in until(lambda: pids.exists() and pids.read_text(), "the children").split()]
    supervisor.stop()
    thread.join(0.3)
    assert thread.is_alive(), "it was given time"
    supervisor.stop()
    thread.join(5)
    assert not thread.is_alive() and len(found) == 2
    until(lambda: all(gone(pid) for pid in found), "no child is left")


def test_a_killed_launcher_takes_its_processes_along(tmp_path):
    code = f"""
import sys
from launch.lifeline import Lifeline
child = "from launch.lifeline import hold; hold(); print('up', flush=True); {SLEEPER}"
print(Lifeline().start([sys.executable, "-c", child], {{}}).pid, flush=True)
{SLEEPER}
"""
    launcher = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    pid = int(launcher.stdout.readline())
    assert launcher.stdout.readline() == "up\n" and not gone(pid)
    launcher.kill(), launcher.wait(), launcher.stdout.close()
    until(lambda: gone(pid), "the child is gone")


# The shape on one machine


def settings(tmp_path, **values) -> Settings:
    ports = {"serving_port": free_port(), "console_port": free_port(), "valkey_port": free_port()}
    return Settings(data_dir=tmp_path, **(ports | values))


def test_the_token_is_in_no_command_line_and_only_in_the_bots_environment(tmp_path):
    found = roles(settings(tmp_path, telegram_bot_token=TOKEN), {"TELEGRAM_BOT_TOKEN": TOKEN, "HOME": "/h"})
    assert [role.name for role in found] == ["serving", "worker train", "worker tick", "console", "bot"]
    assert not any(TOKEN in word for role in found for word in role.command)
    assert [role.environment["TELEGRAM_BOT_TOKEN"] for role in found] == ["", "", "", "", TOKEN]
    assert all(role.environment["HOME"] == "/h" for role in found)
    assert [role.name for role in roles(settings(tmp_path), {})] == [
        "serving",
        "worker train",
        "worker tick",
        "console",
    ]


def test_a_second_launcher_on_one_folder_and_a_used_port_are_sentences(tmp_path):
    first, _ = locks(tmp_path)
    first.take("4711")
    with pytest.raises(SettingsError, match="process 4711"):
        up(settings(tmp_path), {}, print)
    first.release()
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        with pytest.raises(SettingsError, match="APPRENTICE_CONSOLE_PORT"):
            up(settings(tmp_path, console_port=foreign.getsockname()[1]), {}, print)
    with pytest.raises(StoreUnavailable):
        up(settings(tmp_path, redis_url=f"redis://127.0.0.1:{free_port()}/0"), {}, print)


# The doctor


def sentences(level, tmp_path, **values):
    return [f.sentence for f in examine(settings(tmp_path, **values)) if f.level == level]


def test_a_sound_installation_has_nothing_that_stops_it(tmp_path):
    assert sentences("stop", tmp_path) == []
    assert any("playground" in sentence for sentence in sentences("weak", tmp_path))


def test_the_doctor_names_what_is_missing_or_weak(tmp_path, valkey_url):
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        assert f"port {port} is used by another program" in sentences("stop", tmp_path, serving_port=port)[0]
    assert "APPRENTICE_MODEL=/no/such" in sentences("stop", tmp_path, model="/no/such")[0]
    assert "cannot be reached" in sentences("stop", tmp_path, redis_url=f"redis://127.0.0.1:{free_port()}/0")[0]
    weak = sentences("weak", tmp_path, redis_url=valkey_url, telegram_bot_token="nonsense", api_key="short")
    assert any("set appendonly to yes, appendfsync to always." in sentence for sentence in weak)
    assert any("does not look like a token" in sentence for sentence in weak)
    assert any("APPRENTICE_API_KEY is short" in sentence for sentence in weak)
    assert not any("nonsense" in sentence for sentence in weak)


def test_the_doctor_knows_our_own_database(database, tmp_path):
    valkey = database()
    valkey.start()
    found = [f.sentence for f in examine(settings(tmp_path, valkey_port=valkey.port))]
    assert f"port {valkey.port} is in use by Apprentice itself." in found
    assert "the database keeps what it acknowledges." in found


def test_asking_telegram_shows_no_token(tmp_path):
    base = f"http://127.0.0.1:{free_port()}"
    found = list(examine(settings(tmp_path, telegram_bot_token=TOKEN, telegram_api_base=base), online=True))
    assert found[-1].sentence == f"{base} cannot be reached ({httpx.ConnectError.__name__})."
    with http_proxy(("127.0.0.1", free_port())) as proxy:
        through = settings(tmp_path, telegram_bot_token=TOKEN, telegram_api_base=base, telegram_proxy=proxy.url)
        assert list(examine(through, online=True))[-1].sentence.startswith(f"{base} cannot be reached")
    ((method, target, _),) = proxy.asked
    assert (method, target) == ("GET", f"{base}/bot{TOKEN}/getMe")
