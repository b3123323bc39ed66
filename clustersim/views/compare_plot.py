"""The picture of a comparison: what each scenario loses between the peak and its MFU, side by side."""

from __future__ import annotations

import textwrap

from matplotlib.figure import Figure

from clustersim.studies.comparison import ScenarioComparison
from clustersim.views.drawing import COLOURS, canvas, name_figure, tick_name
from clustersim.views.waterfall_plot import step_name
from clustersim.views.words import percent

LEAST = 0.002  # of the peak: steps that are smaller everywhere aren't drawn
HEIGHT = 0.165  # inches a bar
WIDE = 92  # characters of a line under the title


def draw_comparison(compared: ScenarioComparison) -> Figure:
    """A row for each loss, from the peak down, with a bar for each scenario; at the end what is left, the MFU."""
    falls = [dict(each.waterfall.falls) for each in compared.contenders]
    names = [name for name in falls[0] if max(abs(fall[name]) for fall in falls) >= LEAST]
    labels = [*(step_name(name, [fall[name] for fall in falls]) for name in names), "MFU, full attention"]
    about = "\n".join(line for sentence in compared.explanations for line in textwrap.wrap(sentence, WIDE))
    many = len(compared.contenders)
    tall = 1.5 + 0.2 * (len(about.splitlines()) + many) + (HEIGHT * many + 0.09) * len(labels)
    with canvas(8.6, tall) as (figure, axes):
        for number, (each, fall) in enumerate(zip(compared.contenders, falls, strict=True)):
            lost = [*(-fall[name] for name in names), each.waterfall.mfu]
            size = 0.84 / many
            rows = [row + size * (number - (many - 1) / 2) for row in range(len(labels))]
            named = f"{each.letter}: {tick_name(each.scenario.name)} ({each.scenario.stack.name})"
            axes.barh(rows, lost, height=0.92 * size, color=COLOURS[number % len(COLOURS)], label=named, zorder=2)
            for row, share in zip(rows, lost, strict=True):
                axes.text(max(share, 0.0), row, f"  {_percent(share)}", va="center", fontsize=7)
        axes.axvline(0.0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        most, least = (pick(-fall[name] for fall in falls for name in names) for pick in (max, min))
        most = max(most, *(each.waterfall.mfu for each in compared.contenders))
        axes.set_xlim(min(0.0, 1.1 * least), 1.14 * most)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_xlabel("lost of the dense 16-bit peak (below 0: gained), and what is left")
        name_figure(axes, "Where the peak goes", about)
        figure.legend(loc="outside lower left", ncols=1)
    return figure


def _percent(share: float) -> str:
    words = percent(share)
    return words.removeprefix("-") if words == "-0.0 %" else words
