"""What the README tells a newcomer to type and to open exists, and the demo's rows are what it says they are."""

import json
import re
from pathlib import Path

import pytest
import typer.main

from apprentice import app
from bench.demo import CORRECTION, DOCUMENT_QUESTION, HANDBOOK, SAME_QUESTION, SEED, UNSEEN, WRONG_QUESTION
from core.settings import VARIABLES
from feedback.rows import _row

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text()
CODE = [*re.findall(r"^```\n(.*?)^```", README, re.M | re.S), *re.findall(r"`([^`\n]+)`", README)]
MADE = {".env", "data/", "bench/results", "installation.key", "FILE.jsonl", ".venv", ".venv/bin/apprentice"}
"""What the README names that only comes to be when it is followed."""


def typed(program: str, texts=CODE) -> list[list[str]]:
    """The arguments of every command of a program: whole spans, and lines of blocks behind a prompt."""
    pattern = re.compile(rf"^(?:\$ )?{program}\b([^#\n]*)", re.M)
    return [arguments.split() for text in texts for arguments in pattern.findall(text)]


@pytest.mark.parametrize("words", typed("apprentice"), ids=" ".join)
def test_every_command_of_apprentice_exists_with_its_options(words):
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, f"apprentice has no {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_commands_in_the_changelog_exist():
    found = typed("apprentice", re.findall(r"`([^`\n]+)`", CHANGELOG))
    for words in found:
        command = typer.main.get_command(app)
        for word in words:
            command = command.commands[word]
    assert len(found) > 5


def test_every_target_of_make_exists():
    targets = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M).group(1).split()
    found = typed("make")
    assert len(found) >= 5
    for words in found:
        assert words[0] in targets and all("=" in word for word in words[1:]), words


def test_every_setting_exists():
    assert set(re.findall(r"\b(?:APPRENTICE|TELEGRAM)_[A-Z_]+", README)) <= set(VARIABLES)


def test_every_file_it_names_exists():
    named = {word for text in CODE for word in text.split() if re.search(r"^[\w.][\w./-]*(?:/|\.\w{2,5})", word)}
    links = set(re.findall(r"\]\(([^)#:]+)\)", README))
    files = {name for name in named | links if not name[0].isdigit()} - MADE
    assert {"bench/handbook.md", "bench/seed.jsonl", "docs/loop.svg", "docker-compose.yml", ".env.example"} <= files
    for name in files:
        assert (ROOT / name).exists() or list(ROOT.glob(f"bench/{name}")), name


def test_links_within_it_lead_to_headings():
    headings = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", README, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= headings


def test_it_tells_the_demos_story():
    for told in (DOCUMENT_QUESTION, WRONG_QUESTION, CORRECTION, SAME_QUESTION):
        assert told in README


def normalised(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def test_sixty_rows_can_be_imported_and_none_asks_what_the_demo_asks():
    lines = SEED.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 60 and all(set(row) == {"prompt", "completion"} for row in rows)
    assert all(_row(line).approved for line in lines)
    prompts = {normalised(row["prompt"]) for row in rows}
    assert len(prompts) == 60
    assert prompts.isdisjoint(map(normalised, (*UNSEEN, DOCUMENT_QUESTION, WRONG_QUESTION, SAME_QUESTION)))


def test_enough_rows_are_kept_aside_to_judge(store, valkey_url, tmp_path):
    from core.settings import Settings
    from feedback.rows import import_rows
    from workers.context import open_context

    context = open_context(Settings(data_dir=tmp_path, redis_url=valkey_url))
    import_rows(SEED, context.turns, context.ratings, context.reviews)
    splits = [review.split for review in context.reviews.approved()]
    assert 10 <= splits.count("evaluation") <= 15 and splits.count("train") >= 45


def test_the_handbook_alone_knows_what_the_demo_asks_it_and_nothing_of_dogs():
    handbook, rows = HANDBOOK.read_text(encoding="utf-8").lower(), SEED.read_text(encoding="utf-8").lower()
    assert "cents per gram" in handbook and "3d printer" not in rows
    assert "dog" not in handbook and "dog" not in rows
