"""docs/accuracy.md: what was measured against what, beside the baseline and the peers. Written by `make accuracy`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from statistics import mean

from clustersim.simulation.evidence import evidence
from clustersim.studies.validation.accuracy import Checks, accuracy_checks
from clustersim.studies.validation.layout_order import LayoutOrder
from clustersim.studies.validation.scale_checks import scale_checks
from clustersim.studies.validation.summaries import LEVELS, Summary, two_standard_errors
from clustersim.studies.validation.validation import ValidationReport
from clustersim.views.drawing import write
from clustersim.views.kernel_tables import kernel_section
from clustersim.views.markdown import markdown_table
from clustersim.views.parity import draw_parity
from clustersim.views.residuals import draw_residuals
from clustersim.views.words import percent

PEERS = ("Calculon", "llm-analysis", "SimuMax")
SUMMARY_HEAD = (
    "", "rows", "source out", "group out", "in-sample", "constant", "median", "bias", "worst",
    "80 % holds", "95 % holds",
)  # fmt: skip
HEAD = """# Accuracy

Written by `make accuracy`; `clustersim validate` prints the same. Error: mean of |predicted / measured - 1| of
the step time. *Source out*: every stack is refitted without the row's whole source, sources counted alike: what a
stranger may expect. *Group out*: without the row's group (source, chip and model) alone. *In-sample*: with all rows.
*Constant*: one efficiency for all rows of the line, each row predicted by the median of the others: what an error must
be compared with. *80 % holds*: share of rows inside the 80 % interval, their source held out, sources counted alike.
"""
HONEST = """## Where clustersim is weak, and why

- **A site never seen.** Numbers of other software of the vendor stand in for a stack without runs. What software states
  is counted (unfused attention and ALiBi, biases, FSDP's copies of gradients); a site's slow network, nodes and hosts
  are not known: BigScience reached half of its links' speed, and one repaired node on 25 February 2022 was worth 5 %.
  Ten runs and `clustersim calibrate` mend that.
- **BigScience at tensor 8 with micro-batch 2** ran 6 % slower than what micro-batches of 1 and 4 around it say, in
  three campaigns. Neither kernels' sizes nor messages' explain it; it is most of the wrong pairs there.
- **vTrain at tensor 2 and 4**: rows of 3.6B are predicted 8 % too fast there and 5 % too slow at tensor 8. Those of
  39.1B with pipelines run up to 40 % slower than everything else says; no column tells them apart. They are
  marked `irregular`, stay in every mean here, and nothing is fitted to them. Rings of data-parallel ranks
  with several members a node are the suspects; no measurement of such rings was published.
- **Mixtures of experts on Ascend** are far too fast: {moe}. Five rows, none above 64 NPUs: MindSpore's older
  router dispatches by one-hot products, sequential experts wait for the host, and some rows recompute more than
  their columns say (8x22B's script names 30 layers, its column none). Pangu Ultra MoE comes out too fast, too:
  uneven experts are taken as even.
- **Thousands of devices**: slow chips, congested networks and gaps between steps are not known beforehand, so that
  predictions fall less with scale than published ones (MindSpeed's fell by 6 % from 128 to 7,968 NPUs and
  MegaScale's by 15 % from 256 to 12,288, ours by 1 and 6 %). `cluster.slow_nodes` and `jitter` say what is known of
  a site.
- **Ascend software by release**: identical columns were published with speeds up to 43 % apart, about 5 % on
  average. Part of every Ascend residual is that. No HCCL curve and no RoCE curve is published; both are
  assumed. Losses over 256,000 words take longer than their bytes say (Gemma 2B: 11 % too fast).
- **Memory nearly full** (8 rows of llm-foundry): the allocator's retries are not simulated; these rows are 10
  to 30 % slower.
- **fp8 without a stated recipe**: four of torchtitan's fp8 rows come out a quarter too fast (the others of the same
  table don't); no column says how their scales are cut, and slower products by row would be a guess. One row of
  DeepSeek-V3 at EP 32 on B200 comes out half too slow, as if experts' traffic were hidden, which its columns deny.
- **4-bit training on GB300**: no 4-bit kernel of that chip was published; its share is fitted to seven runs.
- **One group alone** (MoE parallel folding) means that its stack's residual comes from other stacks. The share of
  links between nodes that its all-to-alls reach (0.65) was read off the same runs: its held-out error isn't wholly so.

![predicted against measured](accuracy_parity.png)

![residuals against inputs](accuracy_residuals.png)
"""


def write_accuracy_page(report: ValidationReport, path: Path) -> None:
    """Write the page and its two figures beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(draw_parity(report), path.with_name(f"{path.stem}_parity.png"))
    write(draw_residuals(report), path.with_name(f"{path.stem}_residuals.png"))
    path.write_text(accuracy_page(report), encoding="utf-8")


def accuracy_page(report: ValidationReport) -> str:
    """The page as Markdown."""
    checks = accuracy_checks(report)
    sections = [
        HEAD,
        _overall(report),
        "## By source\n\n" + _summaries(report.by_source),
        "## By stack\n\n" + _summaries(report.by_stack),
        "## By accelerator\n\n" + _summaries(report.by_accelerator),
        _coverage(report),
        _unseen(checks),
        _at_scale(),
        _order(report),
        *([kernel_section(report.kernels)] if report.kernels else []),
        _peers(report),
        HONEST.format(moe=_sentence(checks.ascend_experts)),
    ]
    return "\n".join(section.rstrip() + "\n" for section in sections)


def _overall(report: ValidationReport) -> str:
    told = report.overall
    rows = {"rows of full quality": report.regular, "all": told}
    words = _summaries(rows)
    scores = (told.interval_score, told.constant_interval_score)
    if None not in scores:
        words += "\nInterval score of log step time at 80 % (smaller is better): "
        words += f"{scores[0]:.3f}, the baseline's {scores[1]:.3f}.\n"
    return words


def _summaries(summaries: Mapping[str, Summary]) -> str:
    return markdown_table(SUMMARY_HEAD, [(name, *_cells(summary)) for name, summary in summaries.items()])


def _cells(summary: Summary) -> Iterator[str]:
    yield str(summary.simulated)
    for share in (
        summary.stranger,
        summary.left_out,
        summary.mean_absolute,
        summary.constant_efficiency,
        summary.median_absolute,
    ):
        yield _share(share)
    yield "-" if summary.bias is None else _signed(summary.bias)
    yield _share(summary.worst)
    yield _share(summary.stranger_covered_80, 0)
    yield _share(summary.stranger_covered_95, 0)


def _coverage(report: ValidationReport) -> str:
    rows = []
    for chip, told in report.by_accelerator.items():
        groups = told.stranger_sources
        for level, held in (("80", told.stranger_covered_80), ("95", told.stranger_covered_95)):
            if held is not None:
                nominal = LEVELS[level]
                width = two_standard_errors(nominal, groups)
                low, high = max(0.0, nominal - width), min(1.0, nominal + width)
                inside = "yes" if abs(held - nominal) <= width + 1e-9 else "**no**"
                wanted = f"{100 * low:.0f} to {percent(high, 0)}"
                rows.append((chip, str(told.simulated), str(groups), f"{level} %", percent(held, 0), wanted, inside))
    words = "## Coverage by accelerator\n\nShare of held-out rows inside their intervals, sources counted alike, and "
    words += "what two binomial standard errors over so many groups allow.\n\n"
    table = markdown_table(("", "rows", "sources", "interval", "holds", "expected", "within"), rows)
    return words + table + _nested()


def _nested() -> str:
    """Coverage where nothing of a source was known, not even how wide its intervals are."""
    nested = evidence().nested
    if not nested:
        return ""
    rows = [(name, *(percent(held[level], 0) for level in ("80", "95"))) for name, held in nested.items()]
    words = "\n\nNested: variances and widths found without the row's source, too; sources counted alike.\n\n"
    return words + markdown_table(("", "80 % holds", "95 % holds"), rows)


def _unseen(checks: Checks) -> str:
    rows = [
        (source, str(told.rows), percent(told.mean_absolute), _signed(told.bias))
        for source, told in checks.unseen.items()
    ]
    head = ("source held out whole", "rows", "error", "bias")
    words = "## A source never seen\n\nEvery row of the source held out, and every stack refitted without it: what a "
    words += "stranger may expect.\n\n"
    return words + markdown_table(head, rows)


def _at_scale() -> str:
    rows = [
        (
            check.name,
            f"{check.devices:,}",
            percent(check.published),
            percent(check.predicted),
            _signed(check.error),
        )
        for check in scale_checks()
    ]
    words = "## At scale, not fitted\n\nMFU with full attention; sources and what is assumed stand in "
    words += "clustersim/catalog/measured/at_scale.json.\n\n"
    return words + markdown_table(("run", "devices", "published", "predicted", "error"), rows)


def _order(report: ValidationReport) -> str:
    held = report.left_out_order_by_source
    rows = [
        (f"{name}, full quality", *_order_cells(order, held.get(name)))
        for name, order in report.order_by_source.items()
    ]
    words = "## Order of layouts\n\nPairs of runs alike but for their layout whose times differ by more than 2 %, the "
    words += "mean of runs that state one layout; two layouts predicted as equal count as wrong. *Regret*: of taking "
    words += "the layout that is predicted fastest.\n\n"
    head = ("", "layout pairs", "right", "held out", "choices", "regret", "held out")
    table = markdown_table(head, [*rows, ("all rows", *_order_cells(report.order, report.left_out_order))])
    ways = {"": report.order_by_source, " groups held out": held, " sources held out": report.stranger_order_by_source}
    means = [f"{percent(_mean_right(orders))}{how}" for how, orders in ways.items() if orders]
    last = f"Mean over sources, pairs right: {', '.join(means)}"
    return words + table + (f"\n{last}. {report.order.repeats} rows repeat a layout.\n" if means else "")


def _mean_right(orders: Mapping[str, LayoutOrder]) -> float:
    return mean(order.right for order in orders.values() if order.right is not None)


def _order_cells(order: LayoutOrder, held: LayoutOrder | None) -> Iterator[str]:
    yield str(order.pairs)
    yield _share(order.right)
    yield _share(held.right if held else None)
    yield str(order.choices)
    yield _share(order.regret, 2)
    yield _share(held.regret if held else None, 2)


def _peers(report: ValidationReport) -> str:
    told = json.loads(files("clustersim.catalog").joinpath("measured", "peers.json").read_text(encoding="utf-8"))
    rows = []
    for row in told["rows"]:
        ours = report.by_source.get(row["source"])
        own = "-" if ours is None else f"{_share(ours.mean_absolute)} ({_share(ours.left_out)} held out)"
        rows.append((row["rows"], *(row[peer] for peer in PEERS), row["constant"], own))
    order = told["order"]
    vtrain = report.order_by_source.get("vtrain")
    right = "-" if vtrain is None else f"{_share(vtrain.right)} of {vtrain.pairs} regular pairs"
    rows.append((order["rows"], *(order[peer] for peer in PEERS), "-", right))
    words = f"## Beside other simulators\n\n{told['about']} Ours: the rows of that source in the packaged file, "
    words += "which has 4 of the 8 Korthikanti and 70 of the 109 vTrain rows; "
    words += "A100 and H100 rows of llm-foundry together.\n\n"
    return words + markdown_table(("rows", *PEERS, "constant", "clustersim"), rows)


def _sentence(error: float | None) -> str:
    return "not measured" if error is None else f"{percent(error, 0)} off, groups held out"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f} %"


def _share(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else percent(value, digits)
