"""A publisher that is killed, wherever it is, leaves nothing half-seen, and publishing again works."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from adapters.install import install
from adapters.manifest import WEIGHTS
from adapters.registry import ABANDONED_S, Registry
from adapters.verify import verify
from core.errors import AdapterRefused
from tests.adapter_files import IDENTITY, SHAPES, write_base, write_peft

KILLED = {"call": signal.SIGKILL, "byte": signal.SIGXFSZ}


@pytest.fixture
def base(tmp_path):
    return write_base(tmp_path / "base")


@pytest.fixture
def source(tmp_path):
    return write_peft(tmp_path / "peft", seed=1)


@pytest.fixture
def registry(store, tmp_path):
    return Registry(store, tmp_path / "adapters")


@pytest.fixture
def publish(registry, valkey_url, source, base):
    """Publishes in a process of its own that dies there; the signal that ended it, or 0."""
    command = [sys.executable, "-m", "tests.publisher", valkey_url, *map(str, (registry.folder, source, base.folder))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def publish(how: str, at: int) -> int:
            print(how, at, file=process.stdin, flush=True)
            return int(process.stdout.readline())

        yield publish
        process.stdin.close()


def begin_afresh(registry, store) -> None:
    """Nothing was ever published."""
    shutil.rmtree(registry.folder, ignore_errors=True)
    store.flushall()


def whole(registry, version: str) -> bool:
    try:
        return verify(registry.path(version), "the model", "base-hash", SHAPES, IDENTITY, version).id == version
    except AdapterRefused:
        return False


def folders(registry) -> list[str]:
    found = registry.folder.iterdir() if registry.folder.exists() else ()
    return [folder.name for folder in found if not folder.name.startswith(".draft-")]


@pytest.mark.parametrize(
    ("how", "stride"),
    [("call", 7), ("byte", 9), pytest.param("call", 1, marks=[pytest.mark.long, pytest.mark.timeout(900)])],
)
def test_killed_anywhere_it_leaves_nothing_or_a_whole_version(publish, registry, store, source, base, how, stride):
    version = install(registry, source, base, IDENTITY, 64).id
    seen = set()
    for at in itertools.count(0, stride):
        begin_afresh(registry, store)
        ended = publish(how, at)
        listed = [found.id for found in registry.versions()]
        assert listed in ([], [version]) and folders(registry) in ([], [version]), at
        assert all(whole(registry, found) for found in folders(registry)), at
        assert set(listed) <= set(folders(registry)), at
        if not ended:
            break
        assert ended == KILLED[how], at
        seen.add((len(listed), len(folders(registry))))
        install(registry, source, base, IDENTITY, 64)
        assert [found.id for found in registry.versions()] == [version] and whole(registry, version), at
    assert at > (500 if how == "call" else 900), "it was killed that often, or at so many bytes"
    assert seen == ({(0, 0), (0, 1), (1, 1)} if how == "call" else {(0, 0)})


def test_killed_while_it_repairs_a_damaged_version_it_can_be_repaired_again(publish, registry, store, source, base):
    ended = 1
    for at in itertools.count(0, 23):
        begin_afresh(registry, store)
        version = install(registry, source, base, IDENTITY, 64).id
        (registry.path(version) / WEIGHTS).write_bytes(b"half")
        assert not whole(registry, version)
        ended = publish("call", at)
        if not ended:
            break
        install(registry, source, base, IDENTITY, 64)
        assert whole(registry, version) and folders(registry) == [version], at
    assert at > 500 and whole(registry, version)


def test_what_a_killed_publisher_left_is_swept_up_once_it_is_old(publish, registry, store, source, base):
    publish("byte", 300)
    (leftover,) = registry.folder.iterdir()
    assert any(leftover.iterdir())
    install(registry, source, base, IDENTITY, 64)
    assert leftover.exists(), "it might still be written to"
    long_ago = time.time() - ABANDONED_S - 1
    os.utime(leftover, (long_ago, long_ago))
    install(registry, source, base, IDENTITY, 64)
    assert [entry.name for entry in registry.folder.iterdir()] == [found.id for found in registry.versions()]
