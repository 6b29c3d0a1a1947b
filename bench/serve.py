"""How fast does it answer? Our own server at 1, 8 and 16 streams, without and with adapters, beside others."""

import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters.base import prepare_base
from bench.beside import beside_training
from bench.compare import WAVES, Row, Say, alternate, compare, failures, ratios
from bench.figures import Bar, measured, over, summarise
from bench.history import second_turns
from bench.instance import Instance, instance
from bench.load import Load
from bench.lora import write_adapters
from bench.machine import describe_machine
from bench.prompts import Prompts
from bench.subjects import NEW_TOKENS, OURS, Subject, ours, rivals
from workers.context import open_context

SETTINGS = {"APPRENTICE_STREAMS": "16", "APPRENTICE_REFRESH_MIN_ITEMS": "100000", "APPRENTICE_EPOCHS": "20"}
SETTLE_S = 5
"""What is prepared in the background after a promotion is done by then."""
RECORDING_STREAMS = 8
PARITY = {"vllm": {1: 2.0, 8: 1.5, 16: 1.5}, "llamacpp": {1: 0.7, 8: 1.2, 16: 0.7}}
"""Our tokens/s over another server's, without an adapter on either side: what is promised, by engine and streams."""
LIVE, MIXED, FIRST = 4.0, 2.5, 0.25
"""Beside vLLM with an adapter: tokens/s with one live, with two mixed, and the time to first token at 16 streams."""
KEPT, SOONER, QUALITY = 0.6, 5.0, 1.01


def run(against: Sequence[str] = (), say: Say = lambda line: None) -> dict[str, Any]:
    """Every figure, of an installation of its own and of the servers that `against` names (URL[,MODEL]).

    Raises: InvalidInput where another server does not answer.
    """
    others = rivals(against)
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        with instance(Path(folder), **SETTINGS) as running, Load() as load:
            found = _measure(running, load, others, say)
        from bench.quality import measure_quality

        say("perplexity")
        quality = measure_quality(running.settings)
    compared = ratios(found["figures"])
    result = {"machine": machine, "new_tokens": NEW_TOKENS, **found, "ratios": compared, "quality": quality}
    return result | {"bars": [bar.as_dict() for bar in bars(result)]}


def _measure(running: Instance, load: Load, others: Sequence[Subject], say: Say) -> dict[str, Any]:
    prompts = Prompts()
    plain = ours(running.api, ["apprentice"], "none")
    rows = compare(load, prompts, [plain, *(o for o in others if o.adapter == "none")], say)
    recording = _recording(running, load, prompts)
    first, second = install_two(running)
    promote(running, first)
    live, mixed = ours(running.api, ["apprentice"], "live"), ours(running.api, [first, second], "mixed")
    rows += compare(load, prompts, [live, mixed, *(o for o in others if o.adapter != "none")], say)
    say("a chat's second turn")
    turns = second_turns(load, prompts, live)
    beside = beside_training(running, load, prompts, live, say)
    return {"figures": rows, "recording": recording, "second_turn": turns, "beside_training": beside}


def _recording(running: Instance, load: Load, prompts: Prompts) -> Row:
    """What storing every turn costs, at 8 streams."""
    subjects = {name: ours(running.api, ["apprentice"], "none", name == "recorded") for name in ("recorded", "plain")}
    waves = alternate(load, prompts, list(subjects.values()), RECORDING_STREAMS, 1, WAVES)
    found = {name: summarise(RECORDING_STREAMS, waves[s.name]).as_dict() for name, s in subjects.items()}
    share = over(found["recorded"]["tokens_per_s"], found["plain"]["tokens_per_s"])
    return {**found, "share": measured(share, 4), "failures": failures(waves[subjects["recorded"].name])}


def install_two(running: Instance) -> tuple[str, str]:
    """Two random adapters as versions of a running installation, both ready to answer. Returns their ids."""
    settings = running.settings
    base = prepare_base(settings.model, settings.data_dir)
    folders = write_adapters(base, settings.data_dir / "bench")
    for folder in folders:
        running.command("adapters", "install", str(folder))
    versions = [v.id for v in reversed(open_context(settings).registry.versions())]

    def listed() -> bool:
        rows = running.http.get(f"{running.api}/v1/models").json()["data"]
        return set(versions) <= {row["id"] for row in rows}

    running.wait("both versions are installed", listed, 30)
    return versions[0], versions[1]


def promote(running: Instance, version: str) -> None:
    """Let a version answer, and wait until it does and all is quiet again."""
    open_context(running.settings).registry.promote(version, "bench", "a measurement")
    running.wait("the version is live", lambda: running.live() == version, 30)
    time.sleep(SETTLE_S)


def _known(figure: float | None) -> float:
    return math.nan if figure is None else figure


def bars(result: dict[str, Any]) -> list[Bar]:
    """What is promised, as far as it was measured in this run; ratios are those of waves."""
    found = []
    for ratio in result["ratios"]:
        if ratio["mode"] != "wave":
            continue
        engine, streams, adapter = ratio["engine"], ratio["streams"], ratio["adapter"]
        beside = f"{ratio['ours']} / {ratio['theirs']}, {streams} streams"
        if adapter == "none" and streams in PARITY.get(engine, {}):
            found.append(Bar(f"tokens/s: {beside}", _known(ratio["tokens_per_s"]), least=PARITY[engine][streams]))
        elif adapter != "none" and engine == "vllm":
            least = LIVE if adapter == "live" else MIXED
            found.append(Bar(f"tokens/s: {beside}", _known(ratio["tokens_per_s"]), least=least))
            if adapter == "live" and streams == 16:
                found.append(Bar(f"time to first token: {beside}", _known(ratio["first_median_s"]), most=FIRST))
    errors = sum(row["errors"] for row in result["figures"] if row["engine"] == OURS)
    return [
        *found,
        Bar("share of tokens/s kept while a refresh trains", _known(result["beside_training"]["kept"]), least=KEPT),
        Bar("second turn: time to first token, fresh / reused", _known(result["second_turn"]["sooner"]), least=SOONER),
        Bar("perplexity: served / bf16", result["quality"]["ratio"], most=QUALITY),
        Bar("errors", errors, most=0),
    ]
