"""The project's own documents say what is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0]


def test_every_module_stands_in_the_architecture_with_its_own_first_line():
    packages = sorted(path.parent for path in ROOT.glob("*/__init__.py"))
    modules = [p for package in packages for p in sorted(package.rglob("*.py")) if p.name != "__init__.py"]
    wanted = {f"* `{p.relative_to(ROOT)}`: {first_line(p)}" for p in [ROOT / "apprentice.py", *modules]}
    listed = {line for line in ARCHITECTURE.splitlines() if line.startswith("* `")}
    assert listed == wanted


def test_every_module_that_the_two_paths_name_exists():
    named = re.findall(r"`([a-z]+(?:/[a-z_]+)+)`", ARCHITECTURE)
    assert named and not [
        name for name in named if not (ROOT / f"{name}.py").is_file() and not (ROOT / name / "__init__.py").is_file()
    ]


def test_decisions_are_numbered_without_gaps():
    numbers = [int(path.name[:3]) for path in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_test_that_the_documents_name_exists():
    written = "".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    there = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    named = set(re.findall(r"`(test_\w+)`", written))
    assert named and not named - there
    assert all((ROOT / path).is_file() for path in re.findall(r"`(tests/\w+\.py)`", written))


def test_every_file_that_the_method_names_exists():
    named = re.findall(r"`([a-z]+/\w+\.py)`", (ROOT / "docs" / "method.md").read_text())
    assert named and not [name for name in named if not (ROOT / name).is_file()]


def test_every_picture_of_the_console_stands_in_its_document_light_and_dark():
    written = (ROOT / "docs" / "console.md").read_text()
    shown = re.findall(r'"(console/[\w-]+\.webp)"', written)
    assert sorted(shown) == sorted(f"console/{path.name}" for path in (ROOT / "docs" / "console").glob("*"))
    for light in re.findall(r'src="(console/[\w-]+)-light', written):
        assert f'srcset="{light}-dark.webp"' in written
