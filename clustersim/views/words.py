"""Numbers and layouts as people write them."""

from __future__ import annotations

import math
from textwrap import shorten

from clustersim.inputs.amounts import counted
from clustersim.inputs.figures import Figure
from clustersim.inputs.layout import Layout, PartialOffload, PartialRecompute
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.units import GIB, SECONDS_A_DAY, format_quantity
from clustersim.studies.measured.sources import citations

LONGEST_SOURCE = 52  # characters
LARGE = ((1e15, "P"), (1e12, "T"), (1e9, "B"), (1e6, "M"))
PART_NAMES = {
    "gemm": "matrix kernels",
    "attention": "attention",
    "memory_bound": "memory-bound",
    "recompute": "recomputation",
    "tensor_comm": "tensor parallel, exposed",
    "expert_comm": "expert all-to-all, exposed",
    "context_comm": "context parallel, exposed",
    "data_comm": "data parallel, exposed",
    "pipeline_comm": "stage to stage, exposed",
    "bubble": "pipeline bubble",
    "stage_wait": "waiting for slower stages",
    "imbalance": "imbalance",
    "optimizer": "optimizer",
    "host": "host",
    "other": "other",
}
BLOCKS = " ▏▎▍▌▋▊▉█"


def significant(value: float, digits: int = 3) -> str:
    """A number rounded to its significant digits, thousands separated: 4,212 stays 4,210 in three digits."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(0, decimals)}f}"


def percent(fraction: float, digits: int = 1) -> str:
    """43.8 %."""
    return f"{100 * fraction:.{digits}f} %"


def count(value: float, digits: int = 3) -> str:
    """A large number with its letter: 2.66 M, 14.8 T; below a million as it is."""
    for size, letter in LARGE:
        if abs(value) >= size:
            return f"{significant(value / size, digits)} {letter}"
    return significant(value, max(digits, 4))


def dollars(value: float) -> str:
    """$5.33 M; below a million to the dollar, below a thousand to the cent."""
    if value < 1e6:
        return f"${value:,.2f}" if value < 1e3 else f"${value:,.0f}"
    return f"${count(value)}"


def energy(kilowatt_hours: float) -> str:
    """21.5 GWh; below a tenth of one in kWh."""
    return f"{significant(kilowatt_hours / 1e6)} GWh" if kilowatt_hours >= 1e5 else f"{count(kilowatt_hours)} kWh"


def figure_words(figure: Figure, value: float) -> str:
    """A figure with its unit, as tables show it."""
    match figure.unit:
        case "%":
            return percent(value)
        case "s":
            return format_quantity(value, "s") if value >= SECONDS_A_DAY / 24 else f"{significant(value)} s"
        case "bytes":
            return gib(value)
        case "USD":
            return dollars(value)
        case "kWh":
            return energy(value)
        case "days":
            return f"{significant(value)} days"
        case "FLOP/s":
            return format_quantity(value, "FLOP/s")
    return count(value)


def gib(held: float) -> str:
    """Bytes in GiB: 71.3 GiB."""
    return f"{significant(held / GIB)} GiB"


def between(low: str, high: str) -> str:
    """18.1 to 22.0, without the unit where both have the same."""
    number, _, unit = high.partition(" ")
    if unit and low.endswith(f" {unit}"):
        return f"{low.removesuffix(f' {unit}')} to {number}"
    return f"{low} to {high}"


def layout_words(layout: Layout) -> str:
    """TP8 PP8 VP3 DP1 · interleaved-1f1b · micro-batch 1 · selective recompute · zero1."""
    sizes = {
        "TP": layout.tensor,
        "PP": layout.pipeline,
        "VP": layout.virtual_stages,
        "CP": layout.context,
        "EP": layout.expert,
        "DP": layout.data,
    }
    said = [f"{name}{size}" for name, size in sizes.items() if size != 1]
    words = [" ".join(said) or "one device a replica", f"micro-batch {layout.micro_batch}"]
    if layout.pipeline > 1 and layout.schedule is not None:
        words.insert(1, layout.schedule)
    if isinstance(layout.recompute, PartialRecompute):
        words.append(f"{counted(layout.recompute.layers, 'layer')} recomputed")
    elif layout.recompute == "operations":
        words.append("recompute by operations")
    elif layout.recompute is not None and layout.recompute != "none":
        words.append(f"{layout.recompute} recompute")
    if layout.sharding not in (None, "none"):
        words.append(layout.sharding)
    if layout.sequence_parallel and layout.tensor > 1:
        words.append("sequence parallel")
    if isinstance(layout.offload, PartialOffload):
        words.append(f"{counted(layout.offload.layers, 'layer')} offloaded")
    elif layout.offload != "none":
        words.append(f"{layout.offload} offloaded")
    return " · ".join(words)


def source_name(source: str) -> str:
    """A source of measured runs as people know it, cut; one that isn't packaged by the name that its rows give it."""
    cited = citations().get(source)
    return source if cited is None else shorten(cited, LONGEST_SOURCE, placeholder=" ...")


def scenario_words(scenario: Scenario) -> str:
    """What a picture is of, in two lines: devices, precision and stack; the layout."""
    cluster = scenario.cluster
    devices = f"{cluster.devices:,} {cluster.accelerator.name}"
    about = " · ".join((devices, scenario.training.precision, scenario.stack.name))
    return f"{about}\n{layout_words(scenario.resolved_layout)}"


def bar(share: float, width: int = 24) -> str:
    """A bar of `width` columns for a share of 1."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return BLOCKS[8] * full + (BLOCKS[rest] if rest else "")
