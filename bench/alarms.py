"""How often the canary's test errs, and how long it takes: simulated chats, under the rule that judges real ones."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from feedback.evidence import (
    COMPLAINTS,
    LEVEL,
    MARGIN,
    PARTS,
    SIGNALS,
    WORSE,
    Bools,
    Floats,
    Ints,
    e_value,
    stratified,
)

WINDOWS = 72
ALARM_RUNS, DELAY_RUNS = 1000, 200
RATES = {"down": 0.2, "regenerated": 0.05, "corrected": 0.03, "failed": 0.01, "empty": 0.01, "cut": 0.1}
"""How often each signal is in an outcome of live's."""
CORRELATION = 0.3
DRIFT = 0.5
"""Log odds by which rates rise and fall over 24 windows; a tenth of it is the step of a random walk beside that."""
AT_MARGIN, WORSE_DOWN = 0.297, 0.35
"""The canary's rate of thumbs down that gives complaints the odds ratio MARGIN; and a rate to be detected."""
CHANGES = ((8, 0.5), (24, 0.1), (30, 0.5))
"""The share becomes a half within the eighth window, and so on."""
Arm = Literal["canary", "live"]


@dataclass(frozen=True, slots=True)
class World:
    """Chats that take part in a window with probability `active`. A brigading one always does, with a thumb down."""

    chats: int = 300
    share: float = 0.2
    down: float = RATES["down"]
    correlation: float = CORRELATION
    drift: float = DRIFT
    brigading: Arm | None = None
    active: float = 0.1
    shares: tuple[tuple[int, float], ...] = ()
    """Windows within which the share becomes another."""


@dataclass(frozen=True, slots=True)
class Chats:
    """Chats of independent runs, [runs, chats]: which arm they are in, and how often each signal is theirs."""

    canary: Bools
    rates: dict[str, Floats]
    lots: Floats
    of_the_other: Floats
    """How often a thumb down would be theirs in the other arm."""


@dataclass(slots=True)
class Known:
    """What the rule knows in each run; see `feedback.evidence`."""

    windows: Ints
    seen: dict[str, Ints]
    worse: dict[str, Floats]
    not_worse: Floats


def run(say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Simulate canaries of WINDOWS windows: without a difference, worse by the margin, and worse by far.

    Returns for each world what `simulate` does.
    """
    voter = World(brigading="canary")
    alarms = {
        "independent outcomes, no drift": World(correlation=0, drift=0),
        "drift, correlated outcomes": World(),
        "the same and one brigading voter": voter,
        "the same, 60 chats": replace(voter, chats=60),
        "the same, half of 300 chats": replace(voter, share=0.5),
        "worse by the margin": World(down=AT_MARGIN, share=0.5),
        "the same and a voter brigading live": World(down=AT_MARGIN, share=0.5, brigading="live"),
        "no difference, the share raised and lowered": World(shares=CHANGES),
        "worse by the margin, the share raised and lowered": World(down=AT_MARGIN, shares=CHANGES),
    }
    sizes = [(chats, share) for chats in (100, 300, 1000) for share in (0.1, 0.2, 0.5)]
    delays = {
        f"{down:.0%} thumbs down, {chats} chats, {share:.0%} of them": World(chats, share, down)
        for down in (WORSE_DOWN, RATES["down"])
        for chats, share in sizes
    }
    delays |= {f"{name}, independent outcomes": replace(delays[name], correlation=0) for name in list(delays)[3:6]}
    rows: dict[str, list[dict[str, Any]]] = {}
    for table, worlds, runs in (("alarms", alarms, ALARM_RUNS), ("delays", delays, DELAY_RUNS)):
        rows[table] = []
        for seed, (name, world) in enumerate(worlds.items()):
            rows[table].append({"world": name, "runs": runs} | simulate(world, runs, seed))
            say(f"{name}: {_ends(rows[table][-1])}")
    return {"windows": WINDOWS, "level": LEVEL, "margin": MARGIN} | rows


def _ends(row: dict[str, Any]) -> str:
    parts = [f"{row[end]:.1%} {words}" for end, words in (("rolled_back", "taken back"), ("promoted", "promoted"))]
    if row["rolled_back_windows"] is not None:
        parts.append(
            f"taken back after {row['rolled_back_windows']:.0f} windows, {row['rolled_back_outcomes']:.0f} outcomes"
        )
    return ", ".join(parts)


def simulate(world: World, runs: int, seed: int) -> dict[str, Any]:
    """How one world's runs ended: the share of each end, and the median over all runs of the window and of the canary's
    outcomes until then; None where fewer than half ended so.
    """
    draw = np.random.default_rng(seed)
    chats = _chats(world, runs, draw)
    known = _nothing(chats.canary.shape)
    ends = {"rolled_back": np.zeros(runs, int), "promoted": np.zeros(runs, int)}
    outcomes, walk = np.zeros(runs, int), np.zeros(runs)
    for window in range(1, WINDOWS + 1):
        walk += world.drift / 10 * draw.standard_normal(runs)
        drift = walk + world.drift * np.sin(2 * np.pi * window / 24)
        active, bad = _window(world, chats, drift, draw)
        for at, share in world.shares:
            if at == window:
                chats, moved = _with_share(chats, share)
                active &= ~moved
        learn(known, chats.canary, active, bad)
        running = (ends["rolled_back"] == 0) & (ends["promoted"] == 0)
        outcomes += running * (active & chats.canary).sum(axis=1)
        worse, not_worse = decide(known)
        ends["rolled_back"][running & worse] = window
        ends["promoted"][running & not_worse & ~worse] = window
    return {name: float((ended > 0).mean()) for name, ended in ends.items()} | {
        f"{name}_{what}": _median(np.where(ended > 0, of, np.inf))
        for name, ended in ends.items()
        for what, of in (("windows", ended), ("outcomes", outcomes))
    }


def _median(of: Floats) -> float | None:
    found = float(np.median(of))
    return found if np.isfinite(found) else None


def learn(known: Known, canary: Bools, active: Bools, bad: dict[str, Bools]) -> None:
    """Add one window: which chats took part, and who of them had each signal, [runs, chats]."""
    run, _ = np.nonzero(active)
    arm, windows, base = canary[active], known.windows[active], WINDOWS + 1
    for name in SIGNALS:
        stratum = (run * base + windows) * base + known.seen[name][active]
        strata, ratios = stratified(arm, bad[name][active], stratum, WORSE)
        np.add.at(known.worse[name], strata // base**2, ratios)
        known.seen[name] += active & bad[name]
    first = windows == 0
    strata, ratios = stratified(arm[first], bad["complaint"][active][first], run[first], (1.0,), MARGIN)
    np.add.at(known.not_worse, strata, ratios[:, 0])
    known.windows += active


def decide(known: Known) -> tuple[Bools, Bools]:
    """In which runs the canary is worse, and in which it is not, as far as is known."""
    worse = [e_value(known.worse[name]) >= 1 / PARTS[name] for name in SIGNALS]
    return np.logical_or.reduce(worse), np.exp(known.not_worse) >= 1 / LEVEL


def _nothing(shape: tuple[int, int]) -> Known:
    return Known(
        np.zeros(shape, int),
        {name: np.zeros(shape, int) for name in SIGNALS},
        {name: np.zeros((shape[0], len(WORSE))) for name in SIGNALS},
        np.zeros(shape[0]),
    )


def _chats(world: World, runs: int, draw: np.random.Generator) -> Chats:
    """Each chat's own rates are beta distributed, which gives its outcomes the intra-class correlation."""
    shape = runs, world.chats
    lots = draw.random(shape)
    canary = lots < world.share
    if world.brigading:
        canary[:, 0] = world.brigading == "canary"
    rates = {}
    for name, rate in RATES.items():
        mean = np.where(canary, world.down, rate) if name == "down" else np.full(shape, rate)
        if world.correlation:
            spread = 1 / world.correlation - 1
            mean = draw.beta(mean * spread, (1 - mean) * spread)
        rates[name] = mean
    of_the_other = rates["down"]
    if world.shares and world.down != RATES["down"]:
        mean, spread = np.where(canary, RATES["down"], world.down), 1 / world.correlation - 1
        of_the_other = draw.beta(mean * spread, (1 - mean) * spread)
    return Chats(canary, rates, lots, of_the_other)


def _with_share(chats: Chats, share: float) -> tuple[Chats, Bools]:
    """The chats under another share, and which of them change over."""
    canary = chats.lots < share
    moved, down = canary != chats.canary, chats.rates["down"]
    rates = chats.rates | {"down": np.where(moved, chats.of_the_other, down)}
    return Chats(canary, rates, chats.lots, np.where(moved, down, chats.of_the_other)), moved


def _window(world: World, chats: Chats, drift: Floats, draw: np.random.Generator) -> tuple[Bools, dict[str, Bools]]:
    """Who takes part in a window, and who of all has each signal."""
    active = draw.random(chats.canary.shape) < world.active
    factor = np.exp(drift)[:, None]
    bad = {
        name: draw.random(rates.shape) < rates * factor / (1 - rates + rates * factor)
        for name, rates in chats.rates.items()
    }
    if world.brigading:
        active[:, 0] = bad["down"][:, 0] = True
    return active, bad | {"complaint": np.logical_or.reduce([bad[name] for name in sorted(COMPLAINTS)])}
