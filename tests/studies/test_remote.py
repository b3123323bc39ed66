"""Sweeps on a Dask cluster: the same bytes, nothing lost or doubled, a worker lost on the way included."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from clustersim.errors import ClustersimError, MissingExtraError
from clustersim.studies.sweeps.dask_workers import dask_executor
from clustersim.studies.sweeps.parquet import write_parquet
from clustersim.studies.sweeps.sweep import run_sweep

AXES = {"layout.micro_batch": [1, 2, 4], "training.global_batch": [64 * times for times in range(1, 17)]}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_gives_the_same_bytes_with_a_worker_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = importlib.import_module("distributed")
    from clustersim.studies import workers

    monkeypatch.setattr(workers, "CHUNK_SECONDS", 0.02)  # many small chunks
    here = run_sweep("gpt3_175b_a100", overrides=AXES, workers=1, output=tmp_path / "here")
    lost: list[Any] = []
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:

        def lose_a_worker_on_the_way(done: int, total: int) -> None:
            if not lost and total / 4 < done < total:
                lost.append(next(iter(cluster.workers.values())))
                lost[0].process.process.kill()

        with dask_executor(cluster.scheduler_address) as executor:
            there = run_sweep(
                "gpt3_175b_a100",
                overrides=AXES,
                executor=executor,
                output=tmp_path / "there",
                progress=lose_a_worker_on_the_way,
            )
    assert lost
    assert (here.folder / "results.csv").read_bytes() == (there.folder / "results.csv").read_bytes()
    lines = (there.folder / "journal.jsonl").read_text().splitlines()
    assert len(lines) == len(set(lines)) >= len(AXES["layout.micro_batch"]) * len(AXES["training.global_batch"])


def test_nobody_at_the_address_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clustersim.studies.sweeps.dask_workers.CONNECT_SECONDS", 0.2)
    with pytest.raises(ClustersimError, match="no Dask scheduler answers"), dask_executor("tcp://127.0.0.1:9"):
        pass


@pytest.mark.parametrize(("module", "extra"), [("distributed", "dask"), ("pyarrow", "parquet")])
def test_a_missing_extra_names_the_pip_command(
    module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'clustersim\[{extra}\]'"):
        _use(extra, tmp_path)


def _use(extra: str, folder: Path) -> None:
    if extra == "parquet":
        write_parquet(folder / "x.parquet", ["a"], [{"a": 1}])
    else:
        dask_executor("tcp://127.0.0.1:9").__enter__()


def test_parquet_holds_the_table(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{"point": 0, "mfu": 0.5, "mixed": 1}, {"point": 1, "mfu": None, "mixed": "auto"}]
    read = parquet.read_table(write_parquet(tmp_path / "r.parquet", ["point", "mfu", "mixed"], rows)).to_pydict()
    assert read == {"point": [0, 1], "mfu": [0.5, None], "mixed": ["1", "auto"]}
