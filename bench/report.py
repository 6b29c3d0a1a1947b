"""The figures of benches as tables for a terminal, and whether what was promised was reached."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

MS = 1000


def show_serve(result: dict[str, Any], console: Console) -> None:
    """Everything that `bench serve` measured."""
    for table in (_machine(result["machine"]), _speed(result), _others(result), *_ratios(result), _bars(result)):
        console.print(table)
    console.print(*sorted({f for row in result["figures"] for f in row["failures"]}), sep="\n")


def show_swap(result: dict[str, Any], console: Console) -> None:
    """Everything that `bench swap` measured."""
    console.print(_machine(result["machine"]))
    table = _speed_table(f"{result['swaps']} swaps under {result['streams']} streams", "load")
    for name in ("without_swaps", "with_swaps"):
        table.add_row(name.replace("_", " "), *_cells(result[name]))
    console.print(table)
    seconds = {name: _number(value, "g") for name, value in result["promote_to_first_token_s"].items()}
    console.print(
        f"promote to first token of the new version: median {seconds['median']} s, p90 {seconds['p90']} s, "
        f"slowest {seconds['max']} s; promotions that no answer showed: {seconds['unseen']}",
        highlight=False,
    )
    console.print(_bars(result))
    console.print(*result["failures"], sep="\n")


def show_gate(result: dict[str, Any], console: Console) -> None:
    """Everything that `bench gate` simulated."""
    outcomes = ("promote", "not enough evidence", "reject")
    for title, rows, name in (
        (f"two equal versions, {result['swaps']} label swaps", result["false_promotions"], "discordant"),
        (
            "the same with thumbs and documents as evidence",
            result["false_promotions_of_all_evidence"],
            "discordant",
        ),
        (f"a candidate that wins {result['win_share']:.0%}, {result['trials']} trials", result["power"], "discordant"),
        (f"one older slice forgotten in part, {result['trials']} trials", result["forgetting"], "forgotten"),
    ):
        exact = "exact" in rows[0]
        table = Table(name, *outcomes, *(["exact test alone"] if exact else []), title=title)
        for row in rows:
            first = row.get(name, row.get("recorded"))
            shares = [*(row[o] for o in outcomes), *([row["exact"]] if exact else [])]
            table.add_row(str(first), *(f"{share:.1%}" for share in shares))
        console.print(table)
    console.print(_bars(result))


def show_bars(result: dict[str, Any], console: Console) -> None:
    """What was promised, and whether it was reached."""
    console.print(_bars(result))


def _machine(machine: dict[str, Any]) -> Table:
    table = Table(show_header=False, title="machine")
    for name, value in machine.items():
        table.add_row(name.replace("_", " "), str(value))
    return table


def _speed_table(title: str, *first: str) -> Table:
    about = "first: seconds to the first token, median and longest; gaps in ms"
    table = Table(title=title, caption=about, padding=0)
    for name in first:
        table.add_column(name, no_wrap=True)
    for name in ("at", "tok/s", "first", "max", "p50", "p99", "p99.9", "errors"):
        table.add_column(name, justify="right")
    return table


def _cells(row: dict[str, Any]) -> Iterator[str]:
    yield str(row["streams"])
    yield _number(row["tokens_per_s"], ".1f")
    yield _number(row["first_median_s"], ".3f")
    yield _number(row["first_max_s"], ".3f")
    for name in ("gap_p50_s", "gap_p99_s", "gap_p999_s"):
        yield _number(row[name], ".1f", MS)
    yield f"[red]{row['errors']}[/]" if row["errors"] else "0"


def _number(value: float | None, form: str, times: float = 1) -> str:
    """A figure, or a dash where it was not measured."""
    return "-" if value is None else f"{times * value:{form}}"


def _speed(result: dict[str, Any]) -> Table:
    table = _speed_table(f"{result['new_tokens']} new tokens an answer, streamed over HTTP", "server", "how")
    for row in result["figures"]:
        table.add_row(row["subject"], row["mode"], *_cells(row), end_section=row["mode"] == "rounds")
    return table


def _others(result: dict[str, Any]) -> Table:
    turns, beside = result["second_turn"], result["beside_training"]
    recording, quality = result["recording"], result["quality"]
    table = Table("besides", "", title="our own server")
    table.add_row(
        "tokens/s before, during, after a training",
        ", ".join(f"{beside[when]['tokens_per_s']:.0f}" for when in ("before", "during", "after")),
    )
    steps = f"{beside['training_steps']} in {beside['training_s']:.0f} s"
    table.add_row("training steps meanwhile", steps if beside["trained_throughout"] else f"{steps}, then it ended")
    table.add_row(
        f"first token of a second turn ({turns['prompt_tokens']:.0f} prompt tokens), reused / fresh",
        f"{_number(turns['first_reused_s'], '.3f')} / {_number(turns['first_fresh_s'], '.3f')} s",
    )
    table.add_row("share of tokens/s kept while every turn is recorded", _number(recording["share"], ".2f"))
    table.add_row(
        f"perplexity of {quality['tokens']} tokens, served / bf16", f"{quality['served']:.3f} / {quality['bf16']:.3f}"
    )
    return table


def _ratios(result: dict[str, Any]) -> list[Table]:
    if not result["ratios"]:
        return []
    table = Table("ours", "theirs", "how", "streams", "tokens/s", "time to first token", title="ours / theirs")
    for row in result["ratios"]:
        rates = (_number(row["tokens_per_s"], ".2f"), _number(row["first_median_s"], ".2f"))
        table.add_row(row["ours"], row["theirs"], row["mode"], str(row["streams"]), *rates)
    return [table]


def _bars(result: dict[str, Any]) -> Table:
    table = Table("promised", "figure", "bar", "", title="bars")
    for bar in result["bars"]:
        bound = f">= {bar['least']:g}" if bar["least"] is not None else f"<= {bar['most']:g}"
        told = "[green]reached[/]" if bar["reached"] else "[red]not reached[/]"
        table.add_row(bar["name"], _number(bar["figure"], ".3g"), bound, told)
    return table
