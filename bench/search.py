"""Are answers grounded? XQuAD's paragraphs and questions, and approved corrections asked again in other words."""

import json
import random
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.instance import Instance, instance
from core.errors import InvalidInput
from core.records import Message, Turn, new_id, now_ms
from feedback.reviews import NewDecision
from retrieval.embedder import Embedder
from retrieval.grounding import NOTICE
from retrieval.ingest import ingest
from workers.context import open_context

PARAPHRASES = Path(__file__).with_name("paraphrases.json")
SEED, TUNING, ASKED, AT_ONCE = 20, 595, 200, 8
"""Thresholds were tuned on the first half of the shuffled questions; the figures are those of the next 200."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person sees, what the model had written, and how many passages are cited."""

    text: str
    generated: str
    citations: int


class Assistant(Protocol):
    """The assistant under measurement."""

    def ingest(self, folder: Path) -> None:
        """Bring the index in step with a folder."""

    def approve(self, answers: list[tuple[str, str]]) -> None:
        """Approve answers to questions, for everyone."""

    def ask(self, question: str) -> Reply:
        """Ask a question in a fresh conversation."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of XQuAD, its article, and its reference answer."""

    article: str
    question: str
    answer: str


class Installed:
    """A whole installation, asked over HTTP."""

    def __init__(self, running: Instance):
        self._running = running
        self._context = open_context(running.settings)
        self._embedder = Embedder.load(running.settings.embedder)

    def ingest(self, folder: Path) -> None:
        """Bring the index in step with a folder; the running server picks it up by itself."""
        ingest(self._running.settings.data_dir, [folder], self._embedder)

    def approve(self, answers: list[tuple[str, str]]) -> None:
        """Approve answers to questions, for everyone."""
        turns = [
            Turn(new_id(), (Message("user", question),), reply="?", status="complete", created_at=now_ms())
            for question, _ in answers
        ]
        self._context.turns.add_closed(turns)
        decided = [NewDecision(t, "edit", "everyone", answer) for t, (_, answer) in zip(turns, answers, strict=True)]
        self._context.reviews.decide_many(decided, "bench")

    def ask(self, question: str) -> Reply:
        """Ask a question in a fresh conversation."""
        answer = self._running.ask(question)["apprentice"]
        turn = self._context.turns.get(answer["turn_id"])
        return Reply(answer["text"], turn.generated or turn.reply, len(answer["citations"]))


def run(data: Path, say: Say = lambda line: None) -> dict[str, Any]:
    """Every figure, of an installation of its own. `data` is a folder with `xquad/` in it.

    Raises: InvalidInput where the data is missing.
    """
    load(data)
    with (
        tempfile.TemporaryDirectory() as folder,
        instance(Path(folder), APPRENTICE_REFRESH_MIN_ITEMS="100000") as running,
    ):
        return measure(data, Installed(running), say)


def measure(data: Path, assistant: Assistant, say: Say = lambda line: None) -> dict[str, Any]:
    """Every figure, as shares in [0, 1]. `data` is a folder with `xquad/` in it.

    Raises: InvalidInput where the data is missing.
    """
    articles, questions = load(data)
    asked = questions[TUNING : TUNING + ASKED]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "xquad"
        write(articles, folder)
        say(f"{len(articles)} articles are ingested")
        assistant.ingest(folder)
        found = grounded(asked, assistant, say)
        missing = unanswerable(asked, articles, folder, assistant, say)
    return {"questions": len(asked), **found, **missing, **corrections(assistant, say)}


def load(data: Path) -> tuple[dict[str, list[str]], list[Asked]]:
    """XQuAD-en's articles as paragraphs, and its questions in a fixed random order.

    Raises: InvalidInput where the data is missing.
    """
    path = data / "xquad" / "xquad.en.json"
    if not path.is_file():
        raise InvalidInput(f"{path} is missing; `--data` names the folder with xquad/ in it.")
    raw = json.loads(path.read_text(encoding="utf-8"))["data"]
    articles = {a["title"]: [p["context"] for p in a["paragraphs"]] for a in raw}
    questions = [
        Asked(a["title"], q["question"], q["answers"][0]["text"])
        for a in raw
        for p in a["paragraphs"]
        for q in p["qas"]
    ]
    random.Random(SEED).shuffle(questions)
    return articles, questions


def write(articles: dict[str, list[str]], folder: Path) -> None:
    """One Markdown file for each article."""
    folder.mkdir(parents=True, exist_ok=True)
    for title, paragraphs in articles.items():
        text = f"# {title.replace('_', ' ')}\n\n" + "\n\n".join(paragraphs)
        _file(folder, title).write_text(text, encoding="utf-8")


def grounded(asked: Iterable[Asked], assistant: Assistant, say: Say) -> dict[str, float]:
    """How many messages, and how many of the model's own drafts, hold the reference answer."""
    rows = []
    asked = list(asked)
    replies = _ask_all(assistant, [item.question for item in asked])
    for n, (item, reply) in enumerate(zip(asked, replies, strict=True), 1):
        quoted = [line for line in reply.text.splitlines() if line.startswith("“")]
        row = (holds(reply.text, item.answer), holds(reply.generated, item.answer), bool(reply.citations), len(quoted))
        rows.append((*row, len(reply.text.split())))
        if n % 20 == 0:
            say(f"asked {n}: {_share(r[0] for r in rows):.0%} of the messages hold the answer")
    return {
        "message_holds_answer": _share(r[0] for r in rows),
        "model_holds_answer": _share(r[1] for r in rows),
        "message_cites": _share(r[2] for r in rows),
        "most_quoted_sentences": max(r[3] for r in rows),
        "mean_words": round(sum(r[4] for r in rows) / len(rows), 1),
    }


def unanswerable(
    asked: Iterable[Asked], articles: dict[str, list[str]], folder: Path, assistant: Assistant, say: Say
) -> dict[str, float]:
    """With a question's article taken out of the index: how many answers say so, and cite nothing."""
    honest = []
    by_article: dict[str, list[Asked]] = {}
    for item in asked:
        by_article.setdefault(item.article, []).append(item)
    for title, items in by_article.items():
        _file(folder, title).unlink()
        assistant.ingest(folder)
        replies = _ask_all(assistant, [item.question for item in items])
        honest += [NOTICE in reply.text and not reply.citations for reply in replies]
        write({title: articles[title]}, folder)
        say(f"without {title}: {_share(honest):.0%} of {len(honest)} say that nothing was found")
    assistant.ingest(folder)
    return {"says_nothing_found": _share(honest)}


def corrections(assistant: Assistant, say: Say) -> dict[str, float]:
    """Approved corrections asked in other words, and near misses, for the tuned and the held-out half."""
    halves = json.loads(PARAPHRASES.read_text(encoding="utf-8"))
    halves = {half: halves[half] for half in ("tuning", "held_out")}
    assistant.approve([(item["question"], item["answer"]) for items in halves.values() for item in items])
    found = {}
    for half, items in halves.items():
        same = _answers(assistant, [(i, q) for i in items for q in i["paraphrases"]])
        near = _answers(assistant, [(i, q) for i in items for q in i["near_misses"].values()])
        found |= {
            f"{half}_paraphrases_get_the_fact": _share(holds(text, i["fact"]) for i, text in same),
            f"{half}_paraphrases_word_for_word": _share(text.strip() == i["answer"] for i, text in same),
            f"{half}_near_misses_word_for_word": _share(text.strip() == i["answer"] for i, text in near),
            f"{half}_near_misses_get_the_fact": _share(holds(text, i["fact"]) for i, text in near),
        }
        say(f"{half}: {found[f'{half}_paraphrases_get_the_fact']:.0%} of {len(same)} paraphrases get the fact")
    return found


def _ask_all(assistant: Assistant, questions: Sequence[str]) -> Iterator[Reply]:
    """The replies in order, of which AT_ONCE are under way."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(assistant.ask, questions)


def _answers(assistant: Assistant, asked: Sequence[tuple[dict[str, Any], str]]) -> list[tuple[dict[str, Any], str]]:
    """Each item with the text that its question got."""
    replies = _ask_all(assistant, [question for _, question in asked])
    return [(item, reply.text) for (item, _), reply in zip(asked, replies, strict=True)]


def holds(text: str, answer: str) -> bool:
    """Whether a text holds an answer, apart from case and punctuation, on the borders of words."""
    return _plain(answer) in _plain(text)


def _plain(text: str) -> str:
    return " " + re.sub(r"[^\w]+", " ", text.casefold()).strip() + " "


def _file(folder: Path, title: str) -> Path:
    return folder / (re.sub(r"[^\w]+", "-", title) + ".md")


def _share(values: Iterable[bool]) -> float:
    found = list(values)
    return round(sum(found) / len(found), 4)
