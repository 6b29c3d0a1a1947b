"""Who may import whom, and what must import without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIGHT = ("adapters", "bot", "console", "core", "feedback", "kinds", "launch")


def modules(*packages: str) -> list[str]:
    found = (path for package in packages for path in sorted((ROOT / package).rglob("*.py")))
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in found]


def test_each_layer_imports_only_what_lies_below():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("package", [*LIGHT, "workers"])
def test_a_light_package_imports_without_torch(package):
    names = modules(package) if package != "workers" else ["workers.app", "workers.tasks", "workers.context"]
    assert names, f"{package} has no modules"
    code = f"import sys, {', '.join(names)}; print(*{{'torch', 'transformers', 'peft'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("", "", 0)


def test_the_command_line_is_light_until_a_command_runs():
    code = "import sys, apprentice; print(*{'torch', 'transformers', 'faiss', 'celery', 'aiogram'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr
    assert not [name for name in modules("bench", "workers", "serving", "launch") if imports_the_entry(name)]


def imports_the_entry(module: str) -> bool:
    path = ROOT.joinpath(*module.split("."))
    source = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    return any(
        line.strip().startswith(("import apprentice", "from apprentice ")) for line in source.read_text().splitlines()
    )


def test_module_names_are_unique_across_packages():
    packages = [path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "bench"]
    names = [name for name in modules(*packages) if "." in name and not name.endswith("app")]
    last = [name.rsplit(".", 1)[1] for name in names]
    assert len(last) == len(set(last)), sorted(name for name in names if last.count(name.rsplit(".", 1)[1]) > 1)
