"""Comparisons on the command line: side by side, as a document, as a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from matplotlib.backends.backend_agg import FigureCanvasAgg

import clustersim as cs
from clustersim.cli import cli
from clustersim.studies.comparison import ScenarioComparison
from clustersim.views.compare_plot import draw_comparison
from clustersim.views.compare_table import compare_view
from clustersim.views.console import plain_text

ONE = "gpt3_175b_a100"


@pytest.fixture(scope="module")
def compared() -> ScenarioComparison:
    changed = cs.load_scenario(ONE, {"layout.micro_batch": 2})
    return cs.compare([cs.load_scenario(ONE), changed, cs.load_scenario("deepseek_v3_h800_2048")])


def test_the_page_has_figures_differences_and_the_sentences(compared: ScenarioComparison) -> None:
    text = plain_text(compare_view(compared))
    step = compared.differences[0]
    assert "B over A" in text
    assert f"{100 * abs(step.ratio - 1):.1f} %" in text
    assert "-0.0 %" not in text
    words = " ".join(text.split())
    assert all(sentence in words for sentence in compared.explanations)
    assert "pipeline bubble" in text
    assert "MFU, full attention" in text


def test_the_document(tmp_path: Path) -> None:
    picture = tmp_path / "difference.png"
    words = ["compare", ONE, "--set", "layout.micro_batch=2", "--json", "--plot", str(picture)]
    document = json.loads(CliRunner().invoke(cli, words).stdout)
    assert set(document) == {"results", "differences", "waterfalls", "explanation"}
    assert [each["layout"]["micro_batch"] for each in document["results"]] == [1, 2]
    assert {"figure", "value", "interval_80", "of", "against"} <= set(document["differences"][0])
    assert document["explanation"].startswith("B takes ")
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([ONE], "Name a second SCENARIO"),
        ([ONE, "--set", "C:layout.micro_batch=2"], "there is no C among 2 scenarios"),
        ([ONE, "gpt3_175b_a10"], "Did you mean"),
    ],
)
def test_what_cannot_be_compared_is_refused(words: list[str], said: str) -> None:
    result = CliRunner().invoke(cli, ["compare", *words])
    assert result.exit_code == 2
    assert said in result.stderr


def test_letters_say_whose_change_it_is() -> None:
    words = ["compare", ONE, ONE, "--set", "A:layout.micro_batch=2", "--set", "B:layout.micro_batch=4", "--json"]
    document = json.loads(CliRunner().invoke(cli, words).stdout)
    assert [each["layout"]["micro_batch"] for each in document["results"]] == [2, 4]


def test_the_picture_has_every_series_and_nothing_is_cut_off(compared: ScenarioComparison) -> None:
    figure = draw_comparison(compared)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (axes,) = figure.axes
    assert [bars.get_label()[:2] for bars in axes.containers] == ["A:", "B:", "C:"]
    page = figure.bbox
    legend = figure.legends[0].get_window_extent()
    assert legend.x1 <= page.x1
    assert legend.y0 >= page.y0
    for text in (*axes.texts, *axes.get_yticklabels()):
        box = text.get_window_extent()
        assert page.x0 - 1 <= box.x0
        assert box.x1 <= page.x1 + 1, text.get_text()
    assert not axes.title.get_window_extent().overlaps(axes.texts[-1].get_window_extent())
