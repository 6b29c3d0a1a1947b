"""How often does the gate err? Its whole rule under label swaps of equal pairs, its power, what forgetting costs."""

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.compare import Say
from bench.figures import Bar
from core.errors import InvalidInput
from core.records import GateReport, from_json
from training.statistics import TIE, sign_test
from training.verdict import ALPHA, DOMAIN, GENERAL, LIKELIHOOD_TIE, NEW, THUMBS, Paired, checked_vetoes, decide

SWAPS, TRIALS = 10_000, 2_000
DISCORDANT = (20, 50, 100, 200, 400)
"""Sizes of the new slice, counted in prompts to which the two versions' answers score otherwise."""
DISCORDANT_SHARE = 0.3
WIN_SHARE = 0.65
OLDER, OLDER_ITEMS, GENERAL_ITEMS = 3, 25, 30
GENERAL_NOISE = 0.02
"""Spread of one general prompt's log-likelihood between two seeds (nats a token)."""
LIKELIHOOD_NOISE = 0.05
"""The same of one passage or rated answer, as two seeds of a training on documents were seen to differ."""
THUMBS_ITEMS, DOMAIN_ITEMS = 40, 48
FORGOTTEN = (0.1, 0.2, 0.3, 0.4)
MOST_FALSE, LEAST_DISCORDANT = 0.055, 0.2
Slices = Mapping[str, Paired]


def run(say: Say = lambda line: None, recorded: Path | None = None, tuned: GateReport | None = None) -> dict[str, Any]:
    """False promotions, power and forgetting by simulation; with real pairs their label swaps as well.

    `recorded` is what `apprentice adapters show ID --json` printed, `tuned` the report on two seeds of one training.

    Raises: InvalidInput where it cannot be read or holds no scores.
    """
    chance, of_all_chance = random.Random(0), random.Random(1)
    real = {str(recorded): read_pair(recorded)} if recorded else {}
    if tuned:
        real["two seeds"] = pair_of(tuned)
    swapped, power = [], []
    for size in DISCORDANT:
        say(f"{size} discordant prompts: {SWAPS} label swaps, then {TRIALS} candidates that win {WIN_SHARE:.0%}")
        swapped.append({"discordant": size} | swaps(even_pair(size, chance), chance))
        outcomes = _shares(lambda size=size: decide(better(size, chance))[0], TRIALS)
        power.append({"discordant": size, "exact": sign_test_power(size, WIN_SHARE)} | outcomes)
    say("the same label swaps where thumbs and documents are evidence as well")
    of_all = []
    for size in DISCORDANT:
        everything = with_likelihoods(even_pair(size, of_all_chance), of_all_chance)
        of_all.append({"discordant": size} | swaps(everything, of_all_chance))
    say("candidates that have forgotten a part of one older slice")
    forgotten = [
        {"forgotten": share} | _shares(lambda share=share: decide(forgetful(share, chance))[0], TRIALS)
        for share in FORGOTTEN
    ]
    rows = [*swapped, *({"recorded": name} | swaps(pair, chance) for name, pair in real.items())]
    bars = [
        Bar("false promotions under label swaps, at most", max(row["promote"] for row in rows), most=MOST_FALSE),
        Bar("the same with all three kinds of evidence", max(row["promote"] for row in of_all), most=MOST_FALSE),
        Bar("discordant answers of the A/A pairs", min(r["discordant_share"] for r in rows), least=LEAST_DISCORDANT),
    ]
    return {
        "swaps": SWAPS,
        "trials": TRIALS,
        "win_share": WIN_SHARE,
        "older_slices": {"slices": OLDER, "items": OLDER_ITEMS},
        "false_promotions": rows,
        "false_promotions_of_all_evidence": of_all,
        "power": power,
        "forgetting": forgotten,
        "bars": [bar.as_dict() for bar in bars],
    }


def swaps(pair: Slices, chance: random.Random) -> dict[str, float]:
    """Outcomes of the whole rule where every prompt's two answers change sides with even chance."""
    new = pair[NEW]

    def one() -> str:
        turned = {name: _swap(paired, chance) for name, paired in pair.items()}
        return decide(turned, checked_vetoes(turned))[0]

    return {"discordant_share": sum(new.counts) / len(new.before)} | _shares(one, SWAPS)


def even_pair(discordant: int, chance: random.Random) -> Slices:
    """Two versions that are equally good: scores differ at so many new prompts, and at a share of the older ones."""
    slices = {NEW: _even(discordant, round(discordant / DISCORDANT_SHARE), chance)}
    for age in range(1, OLDER + 1):
        slices[f"older {age}"] = _even(round(OLDER_ITEMS * DISCORDANT_SHARE), OLDER_ITEMS, chance)
    before = [-2.0] * GENERAL_ITEMS
    return slices | {GENERAL: Paired(before, [chance.gauss(score, GENERAL_NOISE) for score in before])}


def with_likelihoods(pair: Slices, chance: random.Random) -> Slices:
    """The same pair with thumbs and passages of documents, whose log-likelihoods differ by luck alone."""
    found = dict(pair)
    for name, items in ((THUMBS, THUMBS_ITEMS), (DOMAIN, DOMAIN_ITEMS)):
        before = [-2.0] * items
        found[name] = Paired(before, [chance.gauss(score, LIKELIHOOD_NOISE) for score in before], LIKELIHOOD_TIE)
    return found


def better(discordant: int, chance: random.Random) -> Slices:
    """A candidate that wins its share of the new slice's discordant prompts, and is as good on all others."""
    wins = sum(chance.random() < WIN_SHARE for _ in range(discordant))
    new = Paired([0.0] * wins + [1.0] * (discordant - wins), [1.0] * wins + [0.0] * (discordant - wins))
    return {**even_pair(discordant, chance), NEW: new}


def forgetful(share: float, chance: random.Random) -> Slices:
    """A candidate that wins the new slice clearly, and has lost this share of the oldest slice's answers."""
    lost = round(share * OLDER_ITEMS)
    kept = OLDER_ITEMS - lost
    oldest = _even(round(kept * DISCORDANT_SHARE), kept, chance)
    pair = dict(even_pair(100, chance))
    pair[f"older {OLDER}"] = Paired([*oldest.before, *[1.0] * lost], [*oldest.after, *[0.0] * lost])
    pair[NEW] = Paired([0.0] * 100, [1.0] * 100)
    return pair


def sign_test_power(discordant: int, share: float) -> float:
    """The chance that the exact test alone finds a true win share."""
    found = [wins for wins in range(discordant + 1) if sign_test(wins, discordant - wins) <= ALPHA]
    return math.fsum(math.comb(discordant, w) * share**w * (1 - share) ** (discordant - w) for w in found)


def read_pair(file: Path) -> Slices:
    """The scores of a report that `apprentice adapters show ID --json` printed.

    Raises: InvalidInput.
    """
    try:
        report = from_json(GateReport, json.dumps(json.loads(file.read_text(encoding="utf-8"))["report"]))
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        hint = "give what `apprentice adapters show ID --json` printed"
        raise InvalidInput(f"{file} holds no gate report ({type(error).__name__}); {hint}.") from error
    pair = pair_of(report)
    if not pair.get(NEW, Paired((), ())).before or GENERAL not in pair:
        raise InvalidInput(
            f"the report in {file} holds no scores; it was made by an earlier release, or on no prompts."
        )
    return pair


def pair_of(report: GateReport) -> Slices:
    """The scores of a report."""
    ties = {THUMBS: LIKELIHOOD_TIE, DOMAIN: LIKELIHOOD_TIE}
    return {
        s.name: Paired([i.before for i in s.scores], [i.after for i in s.scores], ties.get(s.name, TIE))
        for s in report.slices
    }


def _even(discordant: int, items: int, chance: random.Random) -> Paired:
    """Scores of 0 or 1 that differ at some prompts, either version better with even chance."""
    before = [float(chance.random() < 0.5) for _ in range(items)]
    return Paired(before, [1 - score if n < discordant else score for n, score in enumerate(before)])


def _swap(paired: Paired, chance: random.Random) -> Paired:
    turned = [
        (new, old) if chance.random() < 0.5 else (old, new)
        for old, new in zip(paired.before, paired.after, strict=True)
    ]
    return Paired([old for old, _ in turned], [new for _, new in turned], paired.tie)


def _shares(one: Callable[[], str], times: int) -> dict[str, float]:
    """How often each outcome came."""
    outcomes: Sequence[str] = ("promote", "reject", "not enough evidence")
    counts = Counter(one() for _ in range(times))
    return {outcome: counts[outcome] / times for outcome in outcomes}
