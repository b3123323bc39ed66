"""The answer of `clustersim serve` on one screen: throughput, latency and cost, then what they rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clustersim.inputs.amounts import counted
from clustersim.inputs.units import format_quantity
from clustersim.simulation.serving.fleet import Fleet
from clustersim.simulation.serving.serving import PHASES, PhaseResult, ServingResult
from clustersim.studies.serving.price import Spread
from clustersim.studies.serving.report import ServingReport
from clustersim.views.words import PART_NAMES, between, count, dollars, gib, percent, significant

FIGURES = {
    "prefill": "prefill, tokens/s a device",
    "decode": "decode, tokens/s a device",
    "nodes": "nodes in use",
    "cost_per_day": "cost a day",
}
KINDS = {"computed_input": "a computed prompt token", "output": "a token of an answer", "mix": "the traffic's mix"}
PARTS_SHOWN = 5


def serving_view(report: ServingReport) -> RenderableType:
    """Everything that serving is asked for."""
    parts: list[RenderableType] = [
        Text(_headline(report.result), style="bold"),
        Text(_traffic(report.result)),
        Padding(_phases(report.result), (1, 0, 0, 0)),
        Text("range: no overlap of communication to full overlap"),
    ]
    if report.fleet is not None:
        parts.append(Padding(_fleet(report.fleet, report.result.serving.devices or 0), (1, 0, 0, 0)))
    parts.append(Padding(_cost(report), (1, 0, 0, 0)))
    if report.comparisons:
        parts.append(Padding(_published(report), (1, 0, 0, 0)))
    if report.savings:
        parts.append(Padding(_savings(report), (1, 0, 0, 0)))
    notes = [*report.result.serving.notes, *_unstated(report)]
    if notes:
        parts += [Padding(Text("notes", style="bold"), (1, 0, 0, 0)), *(Text(f"- {note}") for note in notes)]
    return Group(*parts)


def _headline(result: ServingResult) -> str:
    serving = result.serving
    return (
        f"{serving.model.name} served by {serving.node.accelerator.name} · {serving.precision} weights, "
        f"{serving.cache_precision} cache · {serving.stack.name}"
    )


def _traffic(result: ServingResult) -> str:
    traffic = result.serving.traffic
    return (
        f"prompts of {significant(traffic.prompt, 4)} tokens, {percent(traffic.cache_hits)} of them cached, answers of "
        f"{significant(traffic.output, 4)}; a new token attends to {significant(traffic.answer_span, 4)}"
    )


def _phases(result: ServingResult) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for phase in PHASES:
        table.add_column(f"{phase}, units of {result.phases[phase].devices}")
    rows: dict[str, Callable[[PhaseResult], str]] = {
        "tokens/s a device": lambda phase: _rates(phase, 1.0),
        f"tokens/s a node of {result.serving.node.devices}": lambda phase: _rates(
            phase, float(result.serving.node.devices)
        ),
        "latency": _latency,
        "batch a device": _batch,
        "memory a device": _memory,
        "where the time goes": _time,
    }
    for name, shown in rows.items():
        table.add_row(Text(name, style="cyan"), *(shown(result.phases[phase]) for phase in PHASES))
    return table


def _rates(phase: PhaseResult, devices: float) -> str:
    low, central, high = (
        significant(phase.at[name].tokens_per_s * devices) for name in ("no_overlap", "central", "full_overlap")
    )
    return f"{central}  ({between(low, high)})"


def _latency(phase: PhaseResult) -> str:
    seconds = format_quantity(phase.central.latency_s, "s")
    if phase.phase == "prefill":
        return f"{seconds} to the first token"
    return f"{seconds} a token, {significant(1.0 / phase.central.latency_s)} tokens/s a user"


def _batch(phase: PhaseResult) -> str:
    what = "prompt tokens" if phase.phase == "prefill" else "answers"
    return f"{phase.central.batch:,.0f} {what}, limited by {phase.central.limit}"


def _memory(phase: PhaseResult) -> str:
    held = ", ".join(f"{name} {gib(size)}" for name, size in phase.memory.items() if size >= 2**27)
    return f"{gib(sum(phase.memory.values()))} of {gib(phase.usable_bytes)}: {held}"


def _time(phase: PhaseResult) -> str:
    total = sum(phase.parts.values())
    largest = sorted(phase.parts.items(), key=lambda part: -part[1])[:PARTS_SHOWN]
    return ", ".join(f"{PART_NAMES.get(name, name)} {percent(seconds / total, 0)}" for name, seconds in largest)


def _fleet(fleet: Fleet, devices: int) -> Table:
    """What the stated number of devices serves."""
    table = Table.grid(padding=(0, 2))
    split = " and ".join(
        f"{fleet.units[phase]:,} of {phase} ({percent(fleet.load[phase], 0)} loaded)" for phase in PHASES
    )
    spare = f", {fleet.spare_devices:,} to spare" if fleet.spare_devices else ""
    table.add_row(Text(f"units on {counted(devices, 'device')}", style="cyan"), f"{split}{spare}")
    prompt, output = count(fleet.prompt_tokens_per_s), count(fleet.output_tokens_per_s)
    served = (
        f"{significant(fleet.requests_per_s)} requests, {prompt} prompt tokens, {output} tokens of answers a second"
    )
    table.add_row(Text("they serve", style="cyan"), served)
    return table


def _cost(report: ServingReport) -> Table:
    table = Table.grid(padding=(0, 2))
    cost = report.cost
    if cost is None:
        table.add_row(Text("cost", style="cyan"), report.missing)
        return table
    share = "" if cost.utilization == 1.0 else f", {percent(cost.utilization, 0)} utilized"
    table.add_row(
        Text("cost of 1 M tokens", style="cyan"), f"at ${cost.price_per_hour:,.2f} a device-hour{share}; no margin"
    )
    named = (
        ("prompts, hits included", cost.input),
        ("prompts, computed", cost.computed_input),
        ("answers", cost.output),
        ("the traffic's mix", cost.mix),
    )
    for name, spread in named:
        table.add_row(f"  {name}", _money(spread))
    if report.nodes is not None:
        table.add_row("nodes for the day's tokens", _range(report.nodes, significant))
    if report.cost_per_day is not None:
        table.add_row("cost a day", _money(report.cost_per_day))
    return table


def _published(report: ServingReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("figure", "published", "predicted", "prediction is", "published within bounds"):
        table.add_column(column, justify="left" if column in ("figure", "published within bounds") else "right")
    for row in report.comparisons:
        shown = dollars if row.figure == "cost_per_day" else significant
        stated = dollars(row.published) if row.figure == "cost_per_day" else significant(row.published, 4)
        inside = "yes" if row.between else "no"
        table.add_row(FIGURES[row.figure], stated, _range(row.predicted, shown), error_words(row.error), inside)
    return table


def error_words(error: float) -> str:
    """Which side of the published figure the prediction lies on: 30.4 % too high, 8.0 % too low."""
    size = percent(abs(error))
    return "as published" if size == percent(0.0) else f"{size} too {'high' if error > 0 else 'low'}"


def _savings(report: ServingReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("a price at cost would be below", "list price of 1 M", "by"):
        table.add_column(column, justify="left" if column.startswith("a price") else "right")
    for row in report.savings:
        table.add_row(f"{row.against}, {KINDS[row.kind]}", dollars(row.theirs), _range(row.saving, percent))
    return table


def _unstated(report: ServingReport) -> Iterator[str]:
    for condition in report.result.serving.published.unstated:
        yield f"the published figures don't state: {condition}"


def _money(spread: Spread) -> str:
    return _range(spread, dollars)


def _range(spread: Spread, shown: Callable[[float], str]) -> str:
    return f"{shown(spread.central)}  ({between(shown(spread.low), shown(spread.high))})"
