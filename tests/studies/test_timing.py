"""Measuring the machine at hand: what is timed, how rows are kept, and a whole run on the processor with PyTorch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from clustersim.cli import cli
from clustersim.errors import InputError
from clustersim.studies.timing import measure as measuring
from clustersim.studies.timing.cases import (
    KINDS,
    AttentionCore,
    Launch,
    Message,
    Product,
    Streaming,
    collective_cases,
    device_cases,
)
from clustersim.studies.timing.device import TorchDevice, device_at_hand
from clustersim.studies.timing.measure import measure
from clustersim.studies.timing.ranks import Ranks, ranks_of_torchrun
from clustersim.studies.timing.table_file import COLUMNS, KernelTable, read_table

TORCH = find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not TORCH, reason="PyTorch is not installed: pip install 'clustersim[measure]'")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["measure", *arguments])


class Clockwork(TorchDevice):
    """A device without PyTorch, on which everything takes a second a TFLOP or TB."""

    free = 1e15

    @property
    def name(self) -> str:
        return "Clockwork 1"

    @property
    def software(self) -> str:
        return "none"

    @property
    def free_bytes(self) -> float:
        return self.free


@pytest.fixture
def clockwork(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clockwork]:
    device = Clockwork(None, "cpu")
    monkeypatch.setattr(measuring, "torch_module", lambda: None)
    monkeypatch.setattr(measuring, "device_at_hand", lambda *about: device)
    monkeypatch.setattr(measuring, "_on_device", lambda case, here: case.amount / 1e12)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    yield device
    Clockwork.free = 1e15


def test_amounts_are_those_of_the_simulators_own_operations() -> None:
    assert Product(2, 3, 5, "bf16").value(1e-12) == pytest.approx(60.0)
    forward, backward = (AttentionCore(4096, 32, 128, way, "bf16") for way in (False, True))
    assert forward.amount == pytest.approx(32 * 4096 * (2 * 2048) * (128 + 128))
    assert backward.amount == pytest.approx(2.5 * forward.amount)
    assert Streaming("add", 2**20, "bf16").amount == 3 * 2 * 2**20
    assert Streaming("copy", 2**20, "fp32").value(1e-3) == pytest.approx(8 * 2**20 / 1e6)
    assert Launch("launch_host").value(5e-6) == pytest.approx(5.0)
    assert Message("allreduce", 8_000_000, 8, "bf16").value(1e-3) == pytest.approx(2 * 7 / 8 * 8.0)
    assert Message("allgather", 8_000_000, 8, "bf16").value(1e-3) == pytest.approx(7 / 8 * 8.0)


def test_messages_are_shared_evenly_by_any_number_of_ranks() -> None:
    for ranks in (2, 3, 6, 8):
        for case in collective_cases(ranks, "bf16"):
            assert isinstance(case, Message)
            assert case.bytes % (2 * ranks) == 0
            assert case.bytes > 65_000


def test_only_the_kinds_that_are_asked_for() -> None:
    assert {case.kind for case in device_cases(KINDS, "bf16")} == {"gemm", "attention", "memory", "launch"}
    assert {case.kind for case in device_cases(("memory",), "bf16")} == {"memory"}
    amounts = [case.amount for case in device_cases(("gemm",), "bf16")]
    assert amounts == sorted(amounts)


def test_rows_are_kept_when_it_is_interrupted_and_not_measured_again(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, timed = tmp_path / "kernels.csv", []

    def stops(case: Product, device: TorchDevice) -> float:
        timed.append(case)
        if len(timed) == 3:
            raise KeyboardInterrupt
        return 1e-3

    monkeypatch.setattr(measuring, "_on_device", stops)
    first = measure(path, kinds=("gemm",), quick=True)
    assert not first.complete
    assert [row["value"] for row in read_table(path)] == [row["value"] for row in first.rows]
    assert len(first.rows) == 2
    again = measure(path, kinds=("gemm",), quick=True)
    assert (again.kept, len(again.rows), again.complete) == (2, 2, True)
    assert len(read_table(path)) == 4
    assert len(timed) == 5


def test_the_command_says_how_to_go_on_after_an_interruption(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stops(case: Product, device: TorchDevice) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(measuring, "_on_device", stops)
    result = invoke("--quick", "-o", str(tmp_path / "kernels.csv"))
    assert result.exit_code == 130
    assert "the same command goes on from there" in result.stderr
    assert "interrupted" in result.stdout


def test_what_is_too_large_too_long_or_unknown_to_the_library_is_left_out_with_the_reason(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Clockwork.free = 8e9
    found = measure(tmp_path / "all.csv", kinds=("gemm", "attention"))
    reasons = list(found.left_out.values())
    assert any("would take more than 5 s" in reason for reason in reasons)
    assert any("GiB of memory" in reason for reason in reasons)
    assert found.rows

    def refuses(case: Product, device: TorchDevice) -> float:
        raise RuntimeError("no kernel\x1b[2J for bf16\nat line 1")

    monkeypatch.setattr(measuring, "_on_device", refuses)
    none = measure(tmp_path / "none.csv", kinds=("gemm",), quick=True)
    assert set(none.left_out.values()) == {"no kernel␛[2J for bf16"}
    assert not none.rows


def test_a_torn_last_row_is_measured_again(clockwork: Clockwork, tmp_path: Path) -> None:
    path = tmp_path / "kernels.csv"
    measure(path, kinds=("gemm",), quick=True)
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole[: whole.rindex(",1,1,bf16")], encoding="utf-8")
    assert measure(path, kinds=("gemm",), quick=True).kept == 3
    assert path.read_text(encoding="utf-8") == whole


def test_another_kind_of_file_is_refused_with_all_that_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("id,chip,op\na,b,c\n", encoding="utf-8")
    with pytest.raises(InputError) as raised:
        KernelTable(path)
    assert {problem.key for problem in raised.value.problems} == {*COLUMNS} - {"chip", "op"}
    assert path.read_text(encoding="utf-8") == "id,chip,op\na,b,c\n"


def test_without_pytorch_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    result = invoke("-o", str(tmp_path / "kernels.csv"))
    assert result.exit_code == 2
    assert "pip install 'clustersim[measure]'" in result.stderr
    assert not (tmp_path / "kernels.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--only", "gem"), "Known: gemm"), (("-o", "/proc/none/kernels.csv"), "cannot be written")],
)
def test_mistakes_are_told_before_anything_is_timed(arguments: tuple[str, ...], words: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_torchrun_says_which_rank_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "9", "WORLD_SIZE": "16", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "8"}.items():
        monkeypatch.setenv(name, value)
    assert ranks_of_torchrun() == Ranks(9, 16, 1, 8)
    assert Ranks(9, 16, 1, 8).nodes == 2
    monkeypatch.setenv("RANK", "")
    assert ranks_of_torchrun() is None


def test_a_device_that_is_not_there_is_refused_with_those_that_are() -> None:
    seen = SimpleNamespace(is_available=lambda: True, set_device=lambda index: None)
    torch = SimpleNamespace(npu=seen)
    assert device_at_hand(torch).kind == "npu"
    assert device_at_hand(torch, "cpu").kind == "cpu"
    with pytest.raises(InputError, match="sees no cuda here; it sees npu, cpu"):
        device_at_hand(torch, "cuda")


@needs_torch
@pytest.mark.slow
def test_a_whole_run_on_the_processor(tmp_path: Path) -> None:
    path = tmp_path / "kernels.csv"
    command = [sys.executable, "-m", "clustersim", "measure", "--quick", "--device", "cpu", "-o", str(path), "--json"]
    alone = subprocess.run(command, capture_output=True, text=True, check=True)
    document = json.loads(alone.stdout)
    rows = read_table(path)
    assert len(rows) == len(document["rows"]) > 12
    assert {row["op"] for row in rows} >= {"gemm", "attention_fwd", "attention_bwd", "copy", "add", "norm"}
    assert all(float(row["value"]) > 0 for row in rows)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *command[1:-1]]
    subprocess.run(torchrun, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    among = [row for row in read_table(path) if row["n_devices"] == "2"]
    assert {row["op"] for row in among} >= {"allreduce", "allgather"}
    assert len(read_table(path)) == len(rows) + len(among)
