"""What earlier releases wrote, and files with keys of earlier releases: sweeps, journals, claims."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from clustersim.cli import cli
from clustersim.errors import InputError
from clustersim.inputs.load import load_claim
from clustersim.studies.claims.judge import check_claim
from clustersim.studies.sweeps.sweep import run_sweep

BASE = {
    "name": "earlier",
    "model": "mixtral-8x7b",
    "cluster": {"node": "dgx-h100", "nodes": 4},
    "training": {"sequence_length": 4096, "global_batch": 64, "expert_imbalance": 0.1},
    "layout": {"tp": 4, "ep": 8},
    "stack": {"extends": "megatron-core-2024", "sums_everywhere": False},
}
SWEEP = {
    "name": "earlier",
    "base": BASE,
    "points": {"training.expert_imbalance": [0.1, 0.4], "stack.sums_everywhere": [False, True]},
    "asked_with": {"version": "0.1.0", "physics": "7", "engine": "auto", "intervals": True},
}


def test_a_results_folder_of_an_earlier_release_is_taken_up_again(tmp_path: Path) -> None:
    """Its sweep is read, with notes; its journal's points, of other physics, are played again, and none is lost."""
    folder = tmp_path / "earlier"
    folder.mkdir()
    (folder / "sweep.yaml").write_text(yaml.safe_dump(SWEEP, sort_keys=False))
    lines = [{"key": f"{number:064x}", "result": {"status": "done", "mfu": 0.4}} for number in range(3)]
    (folder / "journal.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines) + '{"key": "torn')
    said: list[str] = []
    result = run_sweep(folder / "sweep.yaml", output=folder, workers=1, say=said.append)
    assert (result.count("done"), result.reused) == (4, 0)
    assert "training.expert_imbalance: expert_imbalance is called router.imbalance now" in said
    assert any("sums_everywhere is called all_reduce_gradients now" in note for note in said)
    assert result.rows[0]["step_time_s"] < result.rows[2]["step_time_s"], "uneven experts take longer"
    assert result.columns[1:3] == ("training.expert_imbalance", "stack.sums_everywhere"), "as it was asked for"
    again = run_sweep(folder / "sweep.yaml", output=folder, workers=1)
    assert again.reused == 4


def test_the_command_says_the_new_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("earlier.yaml").write_text(yaml.safe_dump(SWEEP, sort_keys=False))
    result = CliRunner().invoke(cli, ["sweep", "earlier.yaml", "--workers", "1"])
    assert result.exit_code == 0
    assert result.stderr.count("expert_imbalance is called router.imbalance now") == 2  # of the base, and of the axis


def claim(**parts: Any) -> dict[str, Any]:
    return {
        "name": "earlier claim",
        "source": {"text": "It trains fast.", "date": "2024-01-01", "who": "somebody", "reliability": "rumour"},
        "given": {key: value for key, value in BASE.items() if key != "name"},
        "assert": [{"id": "mfu", "metric": "mfu", "value": "20 %"}],
    } | parts


def test_claims_load_and_say_the_new_keys() -> None:
    plain = check_claim(claim(open={"layout.pp": [1, 2]}))
    words = [
        "given.training.expert_imbalance: expert_imbalance is called router.imbalance now",
        "given.stack.sums_everywhere: sums_everywhere is called all_reduce_gradients now",
        "open.layout.pp: layout.pp is layout.pipeline here",
    ]
    assert [note for note in plain.assumptions if note in words] == words
    assert any(row.best_attainable for row in plain.assertions)


def test_what_a_claim_states_in_megatrons_words_is_stated() -> None:
    """Sequences that are stated as seq_length aren't open, and none other are tried."""
    given = claim()["given"] | {"training": {"seq_length": 4096, "global_batch_size": 64}}
    found = load_claim(claim(given=given))
    assert found.scenario_part["training"] == {"sequence_length": 4096, "global_batch": 64}
    report = check_claim(claim(given=given))
    assert not any("sequence length isn't said" in note for note in report.assumptions)


def test_ranges_and_changes_take_other_words(tmp_path: Path) -> None:
    found = load_claim(claim(open={"training.expert_imbalance": {"from": 0.1, "to": 0.4}}))
    assert list(found.open_values) == ["training.router.imbalance"]
    with pytest.raises(InputError, match=r"the same as layout\.pipeline, which is given too"):
        load_claim(claim(open={"layout.pipeline": [1], "layout.pp": [2]}))


@pytest.mark.parametrize("axes", [["layout.micro_batch=1,2"], {"layout.micro_batch": [1, 2]}])
def test_a_result_can_be_swept(tmp_path: Path, axes: Any) -> None:
    """A JSON document of `run` is a scenario for a sweep, too."""
    base = {key: value for key, value in BASE.items() if key != "training"}
    base["training"] = {"sequence_length": 4096, "global_batch": 64}
    Path(tmp_path / "scenario.json").write_text(json.dumps(base))
    ran = CliRunner().invoke(cli, ["run", str(tmp_path / "scenario.json"), "--json", "--no-intervals"])
    (tmp_path / "result.json").write_text(ran.stdout)
    result = run_sweep(tmp_path / "result.json", overrides=axes, output=tmp_path / "swept", workers=1)
    assert [row["layout.micro_batch"] for row in result.rows if row["status"] == "done"] == [1, 2]
