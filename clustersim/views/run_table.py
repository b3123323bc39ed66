"""The answer of `clustersim run` on one screen: the figures first, then where the time goes and what they rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clustersim.inputs.scenario import Scenario
from clustersim.inputs.units import format_quantity
from clustersim.simulation.intervals import model_error
from clustersim.simulation.results import Interval, RunResult
from clustersim.studies.amounts import counted
from clustersim.views.losses_table import losses_view
from clustersim.views.memory_words import memory_words
from clustersim.views.words import PART_NAMES, bar, between, count, dollars, layout_words, percent, significant

EVIDENCE_WIDTH = 62
GAP = 4  # columns between tables


def run_view(result: RunResult, searched: str = "") -> RenderableType:
    """Everything that a run is asked for; `searched` says how the layout was found."""
    said = [f"layout: {layout_words(result.step.scenario.resolved_layout)}", *([searched] if searched else [])]
    return Group(
        Text(headline(result.step.scenario), style="bold"),
        Text(" · ".join(said)),
        Padding(Columns([_pairs(_speed(result)), _pairs(_price(result))], padding=(0, 4)), (1, 0, 1, 2)),
        Padding(SideBySide(_breakdown(result), _evidence(result)), (0, 0, 0, 2)),
        *([Padding(losses_view(result.runs), (1, 0, 0, 2))] if result.runs is not None else []),
    )


class SideBySide:
    """Two tables beside each other where the page is wide enough, else below each other with a line between."""

    def __init__(self, left: Table, right: Table) -> None:
        self.left, self.right = left, right

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = sum(Measurement.get(console, options, table).maximum for table in (self.left, self.right))
        if wide + GAP <= options.max_width:
            yield Columns([self.left, self.right], padding=(0, GAP))
        else:
            yield Group(self.left, Text(), self.right)


def headline(scenario: Scenario) -> str:
    """GPT-3 175B on 64 A100 80GB · fp16 · stack Megatron-LM (2022)."""
    model, cluster = scenario.model, scenario.cluster
    sizes = []
    if model.published.total_params:
        sizes.append(count(model.published.total_params).replace(" ", ""))
    if model.published.active_params and model.moe:
        sizes.append(f"{count(model.published.active_params).replace(' ', '')} active")
    about = f" ({', '.join(sizes)})" if sizes else ""
    return (
        f"{model.name}{about} on {cluster.devices:,} {cluster.accelerator.name} · {scenario.training.precision}"
        f" · stack {scenario.stack.name}"
    )


def _pairs(figures: Iterable[tuple[str, str | Text]]) -> Table:
    """Figures with their names before them."""
    table = Table.grid(padding=(0, 2))
    for name, figure in figures:
        table.add_row(Text(name, style="cyan"), figure)
    return table


def _speed(result: RunResult) -> Iterator[tuple[str, str]]:
    """How fast, by every meaning that has a base."""
    step = result.step
    base = format_quantity(step.scenario.cluster.accelerator.base_peak, "FLOP/s")
    yield "step time", f"{_seconds(step.step_time_s)}{_range(result, 'step_time_s', _seconds)}"
    yield "MFU", f"{percent(step.mfu)} full attention{_range(result, 'mfu', percent)}"
    yield "", f"{percent(step.mfu_causal)} causal; base {base}, the dense 16-bit peak"
    yield "HFU", f"{percent(step.hfu)} with recomputed work"
    yield "busy", f"{percent(step.busy_any)} any stream, {percent(step.busy_compute)} compute"


def _price(result: RunResult) -> Iterator[tuple[str, str | Text]]:
    """What the whole training takes, and what a device holds."""
    step = result.step
    price = result.cost_usd / result.device_hours if result.cost_usd and result.device_hours else None
    yield "training", _days(result)
    yield from _goodput(result)
    yield "cost", _or_why(result, "cost_usd", dollars) + (f" at ${price:,.2f} a device-hour" if price else "")
    yield "energy", _or_why(result, "energy_kwh", _energy)
    yield "memory", Text(memory_words(step.memory), style="" if step.fits else "bold red")
    yield "tokens/s", f"{count(step.tokens_per_s)}, {significant(step.tokens_per_s_per_device)} a device"


def _goodput(result: RunResult) -> Iterator[tuple[str, str | Text]]:
    """How much of the time is undisturbed training, where anything is known of that."""
    if result.goodput is None or result.ideal_days is None or result.goodput == 1.0:
        return
    often = f", MTTI {format_quantity(result.mtti_s, 's')}" if result.mtti_s else ""
    yield "goodput", f"{percent(result.goodput)} ({significant(result.ideal_days)} days undisturbed){often}"


def _seconds(value: float) -> str:
    return f"{significant(value)} s"


def _energy(kilowatt_hours: float) -> str:
    return f"{significant(kilowatt_hours / 1e6)} GWh" if kilowatt_hours >= 1e5 else f"{count(kilowatt_hours)} kWh"


def _range(result: RunResult, figure: str, shown: Callable[[float], str]) -> str:
    """The 80 % interval of a figure in brackets; nothing where it has none."""
    bounds: Interval | None = (dict(result.step.intervals) | dict(result.intervals)).get(figure, {}).get("80")
    return "" if bounds is None else f" (80 %: {between(shown(bounds[0]), shown(bounds[1]))})"


def _days(result: RunResult) -> str:
    if result.training_days is None or result.device_hours is None:
        return result.missing.get("training_days", "unknown")
    days = f"{significant(result.training_days)} days{_range(result, 'training_days', significant)}"
    return f"{days}, {count(result.device_hours)} device-hours"


def _or_why(result: RunResult, figure: str, shown: Callable[[float], str]) -> str:
    """A figure, or why there is none; what the training time says already isn't said again."""
    value: float | None = getattr(result, figure)
    if value is not None:
        return shown(value)
    reason = result.missing.get(figure, "unknown")
    return "-" if reason == result.missing.get("training_days") else reason


def _breakdown(result: RunResult) -> Table:
    """Where the time of the mean device goes, largest part first."""
    step = result.step
    table = Table.grid(padding=(0, 1))
    table.add_row(Text("where the time goes", style="bold"))
    parts = sorted(step.breakdown.items(), key=lambda part: -part[1])
    most = max(step.breakdown.values(), default=0.0)
    for name, seconds in parts:
        share = seconds / step.step_time_s
        if share >= 0.0005:
            table.add_row(
                PART_NAMES.get(name, name), Text(percent(share), justify="right"), bar(seconds / most if most else 0.0)
            )
    return table


def _ideal(result: RunResult) -> tuple[str, ...]:
    """StatedFigure where nothing is counted that goes wrong."""
    if result.training_days is None or result.goodput != 1.0 or result.plan is not None:
        return ()
    return (
        "ideal days: no failure, checkpoint or restart counts; --reliability llama3-h100 plays them (show failures)",
    )


def _evidence(result: RunResult) -> Table:
    """What the intervals rest on, and what was assumed or looked up on the way."""
    step = result.step
    residual = model_error(step.scenario)
    table = Table.grid()
    table.add_column(max_width=EVIDENCE_WIDTH)
    table.add_row(Text("evidence", style="bold"))
    table.add_row(f"{residual.evidence}; predictions lie {percent(residual.spread, 0)} (1 sd) from measured step times")
    table.add_row(f"step played by the {step.engine} engine")
    if result.runs is not None and result.expected_goodput is not None:
        table.add_row(
            f"run played with {counted(len(result.runs.runs), 'seed')} of {step.scenario.reliability_name}; in closed "
            f"form its goodput is {percent(result.expected_goodput)}"
        )
    notes = dict.fromkeys((*step.warnings, *step.scenario.notes, *step.notes, *_ideal(result)))
    if notes:
        table.add_row("")
        table.add_row(Text("notes", style="bold"))
        for note in notes:
            table.add_row(f"- {note}")
    return table
