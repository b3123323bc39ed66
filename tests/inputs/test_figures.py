"""Every figure once: what is stated of it holds wherever it shows, and a new one is a property and a line."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from builders import scenario

from clustersim.errors import InputError
from clustersim.inputs.claim_metrics import MEANINGS, METRICS
from clustersim.inputs.figures import FIGURES, figure, shown
from clustersim.inputs.units import DIMENSIONS
from clustersim.simulation.results import RunResult, value_of
from clustersim.simulation.run import run_of, simulate_run
from clustersim.studies.sweeps.result_columns import COLUMNS as ROW_COLUMNS
from clustersim.views.columns import COLUMNS
from clustersim.views.words import figure_words


@pytest.fixture(scope="module")
def run() -> RunResult:
    return simulate_run(scenario(tensor=2, pipeline=4, tokens=1e11))


def test_names_are_unique_and_every_figure_can_be_read_and_shown(run: RunResult) -> None:
    names = [each.name for each in FIGURES]
    aliases = [alias for each in FIGURES for alias in each.aliases]
    assert len(set(names + aliases)) == len(names + aliases)
    for each in FIGURES:
        assert each.dimension in DIMENSIONS
        assert each.label
        assert figure(each.name) is each
        value = value_of(run, each)
        assert (value is None) == (each.of == "claim" or each.name == "mtti_s"), each.name
        if value is not None:
            assert figure_words(each, value)
    with pytest.raises(InputError, match='"mfoo" is not modelled'):
        figure("mfoo")


def test_figures_go_as_their_power_of_the_steps_time(run: RunResult) -> None:
    """The same work in a step that takes 1.25 times as long."""
    slow = _slower(run, 1.25)
    for each in FIGURES:
        before, after = value_of(run, each), value_of(slow, each)
        if each.of == "claim" or before is None or after is None or each.name in ("mfu", "mfu_causal", "hfu"):
            continue
        if each.power:
            assert after / before == pytest.approx(1.25**each.power), each.name
        else:
            assert after == pytest.approx(before), each.name


def _slower(run: RunResult, factor: float) -> RunResult:
    from dataclasses import replace

    return run_of(replace(run.step, step_time_s=run.step.step_time_s * factor))


def test_shares_of_the_peak_go_as_the_inverse_of_the_time(run: RunResult) -> None:
    step = run.step
    rate = step.achieved_flops_per_device / step.scenario.cluster.accelerator.base_peak
    assert step.mfu == pytest.approx(rate)
    assert step.mfu_causal / step.mfu == pytest.approx(step.mfu_causal / rate)


def test_intervals_are_as_wide_as_the_power_says(run: RunResult) -> None:
    known = {**run.step.intervals, **run.intervals}
    assert set(known) == {each.name for each in shown("interval")}
    low, high = known["step_time_s"]["80"]
    width = math.log(high / low)
    for name, levels in known.items():
        found = math.log(levels["80"][1] / levels["80"][0])
        assert found == pytest.approx(abs(figure(name).power) * width), name
    assert simulate_run(scenario(tokens=1e11), intervals=False).intervals == {}


def test_what_is_recorded_is_in_json_in_the_columns_and_on_axes(run: RunResult) -> None:
    document = run.to_dict()
    for each in shown("json"):
        assert document[each.name] == value_of(run, each)
    for each in shown("column"):
        assert each.name in ROW_COLUMNS
        assert each.label in COLUMNS[each.name].label
    for each in shown("interval"):
        assert {f"{each.name}_{side}_{level}" for side in ("low", "high") for level in (80, 95)} <= set(ROW_COLUMNS)


def test_every_metric_has_a_rule(run: RunResult) -> None:
    """A claim's own, a meaning of utilization and memory have rules of their own; all others follow the step."""
    by_rule = {"memory_bytes", "utilization", *MEANINGS}
    assert all(each.power or each.of == "claim" or name in by_rule for name, each in METRICS.items())


ADDED = """
import sys
import clustersim.inputs.figures as figures
from clustersim.simulation import results
{property}
figures.FIGURES += ({figure},)
import json
from builders import scenario
from clustersim.errors import InputError
from clustersim.simulation.run import simulate_run
from clustersim.studies.claims.judge import check_claim
from clustersim.studies.sweeps.result_columns import COLUMNS, result_row
from clustersim.views.claim_words import meaning_words
from clustersim.views.columns import column_of
from clustersim.views.console import console
from clustersim.views.run_table import run_view
run = simulate_run(scenario(tokens=1e11))
name, value = "{name}", {value}
assert run.to_dict()[name] == value and "80" in run.to_dict()["intervals"][name]
assert result_row(run)[name] == value and name in COLUMNS and name + "_low_80" in COLUMNS
assert column_of(name).label == "{label}", column_of(name).label
assert meaning_words(name) == "{words}"
console().print(run_view(run))
claim = dict(name="c", source=dict(text="t", date="2025-01-01", who="w", reliability="rumour"),
    given=dict(model="llama-2-7b", cluster=dict(node="dgx-a100-80gb", nodes=1), stack="megatron-lm-2022",
        training=dict(sequence_length=2048, global_batch=16, tokens="1T"), layout=dict(tensor=2)))
mine = check_claim(claim | {{"assert": [dict(id="a", metric="mfu", value=0.1)]}}).points[0]
own = {own}
for factor, verdict in ((0.5, "supported"), (1.8, "implausible"), (9.0, "impossible")):
    harder = own {sign} factor
    report = check_claim(claim | {{"assert": [dict(id="a", metric=name, value=harder)]}})
    print(factor, report.verdict, report.assertions[0].reason)
    assert report.verdict == verdict
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "added",
    [
        {
            "name": "micro_s",
            "property": "results.StepResult.micro_s = property(lambda self: self.step_time_s / 4)",
            "figure": 'figures.Figure("micro_s", "s", "time of a quarter", "s", "lower", 1, "step", figures.MOST)',
            "value": "run.step.step_time_s / 4",
            "own": "mine.step.micro_s",
            "sign": "/",
            "label": "time of a quarter (s)",
            "words": "time of a quarter",
        },
        {
            "name": "tokens_a_dollar",
            "property": "results.RunResult.tokens_a_dollar = property("
            "lambda self: self.step.scenario.training.tokens / self.cost_usd)",
            "figure": 'figures.Figure("tokens_a_dollar", "count", "tokens a dollar", "tokens/USD", "higher", -1, '
            '"run", figures.MOST, axis=("thousands", 1e-3))',
            "value": "run.tokens_a_dollar",
            "own": "mine.tokens_a_dollar",
            "sign": "*",
            "label": "tokens a dollar (thousands)",
            "words": "tokens a dollar",
        },
    ],
    ids=lambda added: added["name"],
)
def test_a_new_figure_is_a_property_and_a_line(added: dict[str, str]) -> None:
    """It shows in every place, has intervals, and claims of it are judged by its power, in both directions."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ADDED.format(**added)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path), "PATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert added["words"] in done.stdout


UNKNOWN = """
import clustersim.inputs.figures as figures
from clustersim.simulation import results
results.StepResult.depth = property(lambda self: 3.0)
figures.FIGURES += (figures.Figure("depth", "count", "depth", "layers", of="{of}"),)
from clustersim.errors import InputError
from clustersim.studies.claims.judge import check_claim
claim = dict(name="c", source=dict(text="t", date="2025-01-01", who="w", reliability="rumour"),
    given=dict(model="llama-2-7b", cluster=dict(node="dgx-a100-80gb", nodes=1), stack="megatron-lm-2022",
        training=dict(sequence_length=2048, global_batch=16), layout=dict(tensor=2)))
try:
    check_claim(claim | {{"assert": [dict(id="a", metric="depth", value=9)]}})
except InputError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("of", ["step", "claim"])
def test_a_figure_that_no_rule_is_known_for_is_refused(of: str) -> None:
    """It was judged as if it went with throughput."""
    done = subprocess.run([sys.executable, "-c", UNKNOWN.format(of=of)], capture_output=True, text=True, check=True)
    assert '"depth" is not modelled. Accepted: step_time_s, ' in done.stdout
