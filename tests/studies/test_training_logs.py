"""Step times out of logs."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import scenario

from clustersim.errors import InputError
from clustersim.studies.measured.logs import read_log

MEGATRON = (
    " [2024-05-01 10:00:00] iteration {step:8d}/  500000 | consumed samples: {step} | elapsed time per iteration (ms): "
    "{milliseconds} | throughput per GPU (TFLOP/s/GPU): 150.1 | global batch size: {batch:5d} |"
)
TORCHTITAN = (
    "\x1b[32m[rank0]:2025-01-01 root - INFO - step: {step:2d}  loss: 8.1  memory: 47.1GiB(49%)  tps: {rate}  mfu: 40%"
)


def written(folder: Path, lines: list[str]) -> Path:
    path = folder / "train.log"
    path.write_text("\n".join(["starting", *lines, "done"]), encoding="utf-8")
    return path


def test_megatrons_median_step_after_warm_up(tmp_path: Path) -> None:
    here = scenario()
    times = [9000.0, 8000.0, *([1000.0] * 5), 1100.0, 1200.0, 5000.0]
    lines = [
        MEGATRON.format(step=step, milliseconds=f"{time:.1f}", batch=here.training.global_batch)
        for step, time in enumerate(times)
    ]
    run = read_log(written(tmp_path, lines), here)
    assert (run.software, run.steps) == ("Megatron-LM", 8)
    assert run.step_time_s == pytest.approx(1.0)


def test_torchtitans_tokens_a_second_and_device(tmp_path: Path) -> None:
    here = scenario()
    lines = [TORCHTITAN.format(step=step, rate="2,048") for step in range(1, 9)]
    run = read_log(written(tmp_path, lines), here)
    assert run.software == "torchtitan"
    assert run.step_time_s == pytest.approx(here.training.tokens_per_step / here.cluster.devices / 2048)


def test_a_log_of_another_batch_is_refused(tmp_path: Path) -> None:
    lines = [MEGATRON.format(step=1, milliseconds="1000.0", batch=7)] * 5
    with pytest.raises(InputError, match=r"global batch size is 7, the scenario's training.global_batch"):
        read_log(written(tmp_path, lines), scenario())


SHORT = "iteration 1/ 2 | elapsed time per iteration (ms): 5"


@pytest.mark.parametrize(("lines", "words"), [([], "no step times found"), ([SHORT], "too few")])
def test_logs_that_tell_nothing_say_what_was_looked_for(tmp_path: Path, lines: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_log(written(tmp_path, lines), scenario())
    with pytest.raises(InputError, match="no such file"):
        read_log(tmp_path / "absent.log", scenario())


@pytest.mark.parametrize("figure", ["1.2.3", "0", "0.0", "...", ",", "0" * 40])
@pytest.mark.parametrize("template", [MEGATRON, TORCHTITAN])
def test_figures_that_are_none_are_named_by_line(template: str, figure: str, tmp_path: Path) -> None:
    good = template.format(step=1, milliseconds="1000.0", rate="2048", batch=scenario().training.global_batch)
    bad = template.format(step=2, milliseconds=figure, rate=figure, batch=scenario().training.global_batch)
    with pytest.raises(InputError) as caught:
        read_log(written(tmp_path, [good, bad, good, bad]), scenario())
    assert [problem.line for problem in caught.value.problems] == [3, 5]
    assert "is not a number" in str(caught.value)


@pytest.mark.parametrize(
    "piece", ["iteration 1/ ", "iteration ", "step: 1 ", " ", "tps:", "1", "elapsed time per iter"]
)
def test_a_hostile_line_is_looked_at_once(piece: str, tmp_path: Path) -> None:
    """Ten million characters on a line, and a hundred thousand lines: each took minutes by backtracking."""
    one_line = piece * (10_000_000 // len(piece))
    many = [piece * (100 // len(piece))] * 20_000
    for lines in ([one_line], many):
        with pytest.raises(InputError, match="no step times found"):
            read_log(written(tmp_path, lines), scenario())
