"""The one-screen answer: what it says is what the result says, at any width."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from builders import accelerator, moe, scenario
from rich.console import Console

from clustersim.simulation.results import RunResult
from clustersim.simulation.run import simulate_run
from clustersim.views.console import PLAIN_WIDTH, console
from clustersim.views.run_table import headline, run_view
from clustersim.views.words import BLOCKS, PART_NAMES


def shown(result: RunResult, searched: str = "", width: int = 132) -> str:
    page = Console(width=width, markup=False, emoji=False, highlight=False, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with page.file:
        page.print(run_view(result, searched))
        return page.export_text()


def run(**changes: Any) -> RunResult:
    return simulate_run(scenario(tensor=2, pipeline=4, tokens=1e11, **changes))


def test_every_headline_figure_is_there() -> None:
    result = run()
    text = shown(result, "the best of 12 layouts searched")
    assert "64 test chip" in text
    assert "the best of 12 layouts searched" in text
    for name, value in (
        ("MFU full", result.step.mfu),
        ("MFU causal", result.step.mfu_causal),
        ("HFU", result.step.hfu),
    ):
        assert re.search(rf"{name} +{100 * value:.1f} %", text), name
    assert re.search(r"base of MFU, HFU +100 TFLOP/s, the dense 16-bit peak", text)
    assert "at $2.00 a device-hour" in text
    assert "kWh" in text or "GWh" in text
    assert "10 % (1 sd)" in text
    low, high = (f"{bound:.2f}" for bound in result.intervals["training_days"]["80"])
    assert f"(80 %: {low} to {high})" in text


def test_the_bars_cover_the_step() -> None:
    text = shown(run())
    shares = [float(line.split("%")[0].split()[-1]) for line in text.splitlines() if set(BLOCKS[1:]) & set(line)]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    assert shares == sorted(shares, reverse=True)


def test_a_figure_without_an_answer_says_why_once() -> None:
    text = shown(simulate_run(scenario(tokens=None)))
    assert text.count("training.tokens is not given") == 1
    assert "utilization" not in text.lower()
    here = scenario(tokens=1e9)
    node = here.cluster.node.model_copy(update={"accelerator": accelerator(price=None, power=None)})
    priceless = simulate_run(here.model_copy(update={"cluster": here.cluster.model_copy(update={"node": node})}))
    assert "no price" in shown(priceless)
    assert "no power" in shown(priceless)


def test_without_intervals_there_are_none() -> None:
    text = shown(simulate_run(scenario(), intervals=False))
    assert "80 %:" not in text


def test_what_was_assumed_is_said_once() -> None:
    result = run()
    step = replace(
        result.step, notes=("one", "two"), scenario=result.step.scenario.model_copy(update={"notes": ("one",)})
    )
    text = shown(replace(result, step=step))
    assert text.count("- one") == 1
    assert "- two" in text


def test_a_layout_that_does_not_fit_is_marked() -> None:
    result = run()
    small = replace(result.step.memory, usable_bytes=1.0)
    assert "does not fit" in shown(replace(result, step=replace(result.step, memory=small)))


def test_names_from_files_are_printed_as_they_are() -> None:
    here = scenario()
    named = here.model_copy(update={"stack": here.stack.model_copy(update={"name": "[red]evil[/red] :smile:"})})
    assert "[red]evil[/red] :smile:" in shown(simulate_run(named))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_other_widths_lose_nothing(width: int) -> None:
    text = "".join(shown(run(), width=width).split())
    for said in ("MFUfull", "MFUcausal", "baseofMFU,HFU", "device-hours", "adevice"):
        assert said in text
    assert "…" not in text


def test_headline_of_a_mixture_of_experts() -> None:
    model = moe(published={"total_params": 671e9, "active_params": 37e9})
    line = headline(scenario(model=model).model_copy(update={"model": model}))
    assert line.startswith("moe (671B, 37.0B active) on 64 test chip · bf16")


def test_every_part_of_the_breakdown_has_a_name() -> None:
    assert set(run().step.breakdown) == set(PART_NAMES)


def test_the_console_is_plain_where_nobody_watches(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console().width == PLAIN_WIDTH
    assert console(stderr=True).width == PLAIN_WIDTH
    monkeypatch.setenv("COLUMNS", "77")
    assert console().width == 77
    console().print("[bold]x[/bold]", style="red")
    assert capsys.readouterr().out == "[bold]x[/bold]\n"


def test_colours_are_off_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert console().no_color
