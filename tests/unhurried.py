"""`apprentice bot` for stories: held back by nothing, and forked where all modules are read already.

It is not held back by Telegram's rates, what it does beside handling updates it looks at often, and how far a document
is it says at every step.

Each line of the input asks for a bot to be started or looked at, and is answered by a line: its process id, or how it
ended and null while it runs. What still runs ends with the input.
"""

import json
import os
import signal
import sys

import bot.app  # noqa: F401 - what every bot needs, read once
import bot.outgoing
from apprentice import main
from bot import gratitude, shelf
from bot.handover import rounds
from bot.operators import menus, watching
from bot.pace import Rate
from feedback import thanks

QUICK = Rate(60, 1, 60)
OFTEN_S = 0.25


def start(environment: dict[str, str], out: str, err: str) -> int:
    """Fork a bot that has this environment and writes to these files; in it, this does not return."""
    child = os.fork()
    if child:
        return child
    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        os.dup2(os.open(path, flags), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["apprentice", "bot"]
    main()
    sys.exit()


def look(child: int) -> int | None:
    """How a bot ended, which is asked once, or None while it runs."""
    ended, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def serve() -> None:
    """Answer line after line."""
    running: set[int] = set()
    for line in sys.stdin:
        asked = json.loads(line)
        if "start" in asked:
            answer = start(**asked["start"])
            running.add(answer)
        else:
            answer = look(asked["look"])
            if answer is not None:
                running.discard(asked["look"])
        print(json.dumps(answer), flush=True)
    for child in running:
        os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    bot.outgoing.PRIVATE = bot.outgoing.GROUP = QUICK
    gratitude.WAIT_S = rounds.WAIT_S = menus.WAIT_S = watching.WAIT_S = OFTEN_S
    thanks.TAKEN_OVER_MS = 1000
    shelf.PACE_S = 0
    serve()
