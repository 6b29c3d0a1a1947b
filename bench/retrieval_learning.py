"""Does the search learn? Spanish questions on English paragraphs, before and after feedback on other questions."""

import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import Bar
from bench.machine import describe_machine
from core.errors import InvalidInput
from core.records import RetrievalReport
from core.settings import Settings
from retrieval.embedder import Embedder
from retrieval.generations import Generation, load
from retrieval.ingest import ingest
from retrieval.tuned import merged
from training.retrieval_gate import judge_search
from training.retrieval_pairs import Pair
from training.retrieval_tuning import HowToTune, tune_questions

SEED, LEARNED, ASKED = 0, 400, 400
LEVEL = 0.05
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Question:
    """A question of XQuAD in two languages, the number of its paragraph, and its English answer."""

    asked: str
    in_english: str
    paragraph: int
    answer: str


def run(data: Path, say: Say = lambda line: None, language: str = "es", learned: int = LEARNED) -> dict[str, Any]:
    """Every figure. `data` is a folder with `xquad/` in it.

    Raises: InvalidInput where the data is missing.
    """
    paragraphs, questions = read(data, language)
    embedder, settings = Embedder.load(None), Settings()
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(paragraphs):
            (Path(folder) / f"{number:03}.txt").write_text(text, encoding="utf-8")
        ingest(Path(folder) / "data", [Path(folder)], embedder)
        generation = load(Path(folder) / "data")
    assert generation is not None
    random.Random(SEED).shuffle(questions)
    learn, ask = questions[:learned], questions[-ASKED:]
    say(f"{len(generation.chunks)} passages; {len(learn)} questions are learned, {len(ask)} others asked")
    began, cpu = time.monotonic(), time.process_time()
    adapter = tune_questions(
        embedder, generation, _pairs(learn, generation), HowToTune(), lambda stage, done, total: say(f"{done}/{total}")
    )
    took = {"seconds": round(time.monotonic() - began, 1), "cpu_seconds": round(time.process_time() - cpu, 1)}
    after, known = merged(embedder, adapter), {question.paragraph for question in learn}
    sets = {
        "unseen_questions": ask,
        "of_paragraphs_never_learned": [q for q in ask if q.paragraph not in known],
        "in_english": [Question(q.in_english, q.in_english, q.paragraph, q.answer) for q in ask],
    }
    found: dict[str, Any] = {"machine": describe_machine(), "language": language, "learned": len(learn)}
    found |= {"tuning": took | {"bytes": len(adapter)}}
    for name, those in sets.items():
        report = judge_search(
            generation, embedder, after, _pairs(those, generation), settings.passages, settings.min_similarity
        )
        found[name] = figures(report)
        say(f"{name}: {json.dumps(found[name])}")
    same = found["in_english"]["first"]
    bars = [
        Bar("p of unseen questions that find their passage sooner", found["unseen_questions"]["p"], most=LEVEL),
        Bar("the same, of paragraphs never learned", found["of_paragraphs_never_learned"]["p"], most=LEVEL),
        Bar("English questions whose passage comes first, after less before", same[1] - same[0], least=-0.01),
    ]
    return found | {"bars": [bar.as_dict() for bar in bars]}


def read(data: Path, language: str) -> tuple[list[str], list[Question]]:
    """XQuAD's English paragraphs, and its questions in another language.

    Raises: InvalidInput where the data is missing.
    """
    raw = {}
    for name in ("en", language):
        path = data / "xquad" / f"xquad.{name}.json"
        if not path.is_file():
            raise InvalidInput(f"{path} is missing; `--data` names the folder with xquad/ in it.")
        raw[name] = [p for a in json.loads(path.read_text(encoding="utf-8"))["data"] for p in a["paragraphs"]]
    questions = [
        Question(other["question"], english["question"], number, english["answers"][0]["text"])
        for number, (there, here) in enumerate(zip(raw[language], raw["en"], strict=True))
        for other, english in zip(there["qas"], here["qas"], strict=True)
    ]
    return [p["context"] for p in raw["en"]], questions


def figures(report: RetrievalReport) -> dict[str, Any]:
    """A report as numbers; pairs are before and after."""
    names = ("items", "wins", "losses", "p", "first", "among", "reciprocal", "kept", "turned_away", "outcome")
    return {name: getattr(report, name) for name in names}


def _pairs(questions: Sequence[Question], generation: Generation) -> list[Pair]:
    """Questions with their paragraph's passage that holds the answer, or all of them where none does."""
    of_paragraph: dict[int, list[int]] = {}
    for row, chunk in enumerate(generation.chunks):
        of_paragraph.setdefault(int(Path(chunk.source).stem), []).append(row)
    found = []
    for question in questions:
        rows = of_paragraph[question.paragraph]
        holding = tuple(row for row in rows if question.answer in generation.chunks[row].text)
        found.append(Pair(question.asked, holding or tuple(rows), (), ()))
    return found
