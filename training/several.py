"""One training in several processes, launched here and joined by accelerate, each with its share of every batch."""

import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

import torch

from core.threads import compute_with
from training.hyperparameters import Hyperparameters
from training.material import Material, Means, Progress, Trained
from training.processes import Processes
from training.train import train

Message = tuple[str, tuple[Any, ...]]
"""What a process says: "note" and "progress" by the first, then "done" or "failed" by each."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A journal whose figures are written down by the process that launched this one."""

    out: BinaryIO | None = None

    def note(self, step: int, **figures: float) -> None:
        """Figures of one step."""
        _say(self.out, "note", step, figures)


def train_on_all(
    model_folder: Path, material: Material, how: Hyperparameters, means: Means, progress: Progress
) -> Trained:
    """What `train` does, on every GPU there is; here, where there is one or none.

    Raises: NotEnoughMemory, DiskFull, SettingsError.
    """
    count = torch.cuda.device_count() if means.device == "cuda" else 1
    if count > 1:
        return train_together(count, model_folder, material, how, means, progress)
    return train(model_folder, material, how, means, progress)


def train_together(
    count: int, model_folder: Path, material: Material, how: Hyperparameters, means: Means, progress: Progress
) -> Trained:
    """What `train` does, in so many processes. Where one of them fails, all end.

    They end with this process too, however it ends: each reads its job from a pipe that is then kept open.
    """
    job = pickle.dumps((model_folder, material, how, replace(means, journal=_Told())))
    with _launched(count, job) as said:
        trained = None
        for _ in range(count):
            while (message := said.get())[0] not in ("done", "failed"):
                what, given = message
                if what == "note":
                    means.journal.note(given[0], **given[1])
                else:
                    progress(*given)
            what, (found,) = message
            if what == "failed":
                raise found
            trained = found if trained is None or found.head is not None else trained
    return trained


@contextmanager
def _launched(count: int, job: bytes) -> Iterator["SimpleQueue[Message]"]:
    """So many processes at work on a job, and what they say. They are ended in the end."""
    said: SimpleQueue[Message] = SimpleQueue()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(count)}
    members: list[subprocess.Popen] = []
    listeners: list[threading.Thread] = []
    try:
        for number in range(count):
            place = {"RANK": str(number), "LOCAL_RANK": str(number)}
            command = [sys.executable, "-m", "training.several"]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            member = subprocess.Popen(command, env=os.environ | meeting | place, **pipes)
            members.append(member)
            listeners.append(threading.Thread(target=_converse, args=(member, number, job, said), daemon=True))
            listeners[-1].start()
        yield said
    finally:
        for member in members:
            member.kill()
        for member, listener in zip(members, listeners, strict=False):
            listener.join()
            with suppress(BrokenPipeError), member:  # closes its pipes
                pass


def _converse(member: subprocess.Popen, number: int, job: bytes, said: "SimpleQueue[Message]") -> None:
    """Give a process its job, and pass on what it says; an end without a word is a failure."""
    try:
        member.stdin.write(job)
        member.stdin.flush()
        while True:
            message = pickle.load(member.stdout)
            said.put(message)
            if message[0] in ("done", "failed"):
                return
    except (OSError, EOFError, pickle.UnpicklingError):
        said.put(("failed", (RuntimeError(f"process {number} of the training was killed (exit {member.wait()})."),)))


def _say(out: BinaryIO, what: str, *given: Any) -> None:
    pickle.dump((what, given), out)
    out.flush()


def _end_with_launcher() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> None:
    """Be one of the processes: the job comes on standard input, and what is said goes out on standard output."""
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what libraries print is no message
        model_folder, material, how, means = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with_launcher, daemon=True).start()
        try:
            _say(out, "done", _trained(model_folder, material, how, means, out))
        except Exception as error:
            _say(out, "failed", error)
        os._exit(0)  # a process group waits for members that may be gone


def _trained(model_folder: Path, material: Material, how: Hyperparameters, means: Means, out: BinaryIO) -> Trained:
    from accelerate import Accelerator

    processes = Processes(Accelerator(cpu=means.device == "cpu"))
    if means.device == "cpu":
        torch.set_num_threads(max(1, torch.get_num_threads() // processes.count))
        compute_with(torch.get_num_threads())
    first = processes.number == 0

    def progress(stage: str, done: int, total: int) -> None:
        if first:
            _say(out, "progress", stage, done, total)

    means = replace(means, journal=_Told(out) if first else _Silent())
    return train(model_folder, material, how, means, progress, processes)


class _Silent:
    """The journal of a process that is not the first."""

    def note(self, step: int, **figures: float) -> None:
        """The first process says it."""


if __name__ == "__main__":
    main()
