"""The answer of `clustersim run` on one screen: the figures first, then where the time goes and what they rest on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clustersim.inputs.amounts import counted
from clustersim.inputs.figures import Figure, Of, shown
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.units import format_quantity
from clustersim.simulation.intervals import model_error
from clustersim.simulation.results import RunResult, value_of
from clustersim.studies.measured.above_published import AbovePublished
from clustersim.views.losses_table import losses_view
from clustersim.views.memory_words import memory_words
from clustersim.views.words import PART_NAMES, bar, between, count, figure_words, layout_words, percent, significant

EVIDENCE_WIDTH = 62
GAP = 4  # columns between tables


def run_view(result: RunResult, searched: str = "", above: AbovePublished | None = None) -> RenderableType:
    """Everything that a run is asked for; `searched` says how the layout was found, `above` what no run reached."""
    base = format_quantity(result.step.scenario.cluster.accelerator.base_peak, "FLOP/s")
    step = [*_figures(result, "step"), ("base of MFU, HFU", f"{base}, the dense 16-bit peak")]
    said = [f"layout: {layout_words(result.step.scenario.resolved_layout)}", *([searched] if searched else [])]
    return Group(
        Text(headline(result.step.scenario), style="bold"),
        Text(" · ".join(said)),
        Padding(Columns([_pairs(step), _pairs(_figures(result, "run"))], padding=(0, 4)), (1, 0, 1, 2)),
        Padding(SideBySide(_breakdown(result), _evidence(result, above)), (0, 0, 0, 2)),
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


def _figures(result: RunResult, of: Of) -> Iterator[tuple[str, str | Text]]:
    """The figures of the step or of the run that the page shows, with their intervals, or why there is none."""
    for figure in shown("run", (of,)):
        value = value_of(result, figure)
        if value is None:
            yield from _without(result, figure)
        elif figure.name == "memory_bytes":
            memory = result.step.memory
            yield figure.title, Text(memory_words(memory), style="" if memory.fits else "bold red")
        elif not (figure.name == "goodput" and value == 1.0):  # then nothing is known of failures
            yield figure.title, f"{figure_words(figure, value)}{_range(result, figure)}{_beside(result, figure)}"


def _without(result: RunResult, figure: Figure) -> Iterator[tuple[str, str]]:
    """Why there is no such figure; nothing for those that need a failure profile, and each reason once."""
    reason = result.missing.get(figure.name)
    if reason is None:
        return
    said_before = figure.name != "training_days" and reason == result.missing.get("training_days")
    yield figure.title, "-" if said_before else reason


def _beside(result: RunResult, figure: Figure) -> str:
    """What a figure needs said with it: the rate of a cost, days undisturbed."""
    if figure.name == "cost_usd" and result.cost_usd and result.device_hours:
        return f" at ${result.cost_usd / result.device_hours:,.2f} a device-hour"
    if figure.name == "goodput" and result.ideal_days is not None:
        return f" ({significant(result.ideal_days)} days undisturbed)"
    return ""


def _range(result: RunResult, figure: Figure) -> str:
    """The 80 % interval of a figure in brackets; nothing where it has none."""
    bounds = {**result.step.intervals, **result.intervals}.get(figure.name, {}).get("80")
    if bounds is None:
        return ""
    return f" (80 %: {between(*(figure_words(figure, bound) for bound in bounds))})"


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


def _evidence(result: RunResult, above: AbovePublished | None) -> Table:
    """What the intervals rest on, and what was assumed or looked up on the way."""
    step = result.step
    error = model_error(step.scenario)
    table = Table.grid()
    table.add_column(max_width=EVIDENCE_WIDTH)
    table.add_row(Text("evidence", style="bold"))
    beside = "" if error.stranger is None else f"; those of a new source would lie {percent(error.stranger, 0)}"
    table.add_row(
        f"{error.evidence}; predictions lie {percent(error.spread, 0)} (1 sd) from measured step times{beside}"
    )
    table.add_row(f"step played by the {step.engine} engine")
    if result.runs is not None and result.expected_goodput is not None:
        table.add_row(
            f"run played with {counted(len(result.runs.runs), 'seed')} of {step.scenario.reliability_name}; in closed "
            f"form its goodput is {percent(result.expected_goodput)}"
        )
    beyond = () if above is None else (above.words,)
    notes = dict.fromkeys((*step.warnings, *beyond, *step.scenario.notes, *step.notes, *_ideal(result)))
    if notes:
        table.add_row("")
        table.add_row(Text("notes", style="bold"))
        for note in notes:
            table.add_row(f"- {note}")
    return table
