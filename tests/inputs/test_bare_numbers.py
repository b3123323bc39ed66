"""Numbers without a unit, and values that no hardware has had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from small_catalog import SCENARIO, write_entry

from clustersim.cli import cli
from clustersim.errors import InputError
from clustersim.inputs import search_path
from clustersim.inputs.bare_numbers import missing_in, missing_units, with_units
from clustersim.inputs.catalog import names, sections
from clustersim.inputs.documents import config_names, find_document
from clustersim.inputs.hardware import Accelerator, Cluster, Node
from clustersim.inputs.load import load_claim, load_scenario
from clustersim.inputs.load_serving import load_serving
from clustersim.inputs.merging import KINDS
from clustersim.inputs.plausible import implausible
from clustersim.inputs.table import as_table
from clustersim.studies.sweeps.sweep import run_sweep

BANDWIDTH = "cluster.node.scale_out.bandwidth"


def complaints(source: Any, overrides: Any = ()) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_scenario(source, overrides)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("key", "value", "proposals"),
    [
        (BANDWIDTH, "400", '"400 GB/s" or "400 Gb/s"'),
        (BANDWIDTH, "50e9", '"50 GB/s"'),
        (BANDWIDTH, "0.4", '"0.4 GB/s" or "0.4 TB/s"'),
        ("cluster.node.scale_up.latency", "5", '"5 us" or "5 ms"'),
        ("cluster.node.scale_up.latency", "1e-5", '"10 us"'),
        ("cluster.node.accelerator.memory.capacity", "80", '"80 GB" or "80 GiB"'),
        ("cluster.node.accelerator.peak.bf16", "989", '"989 TFLOP/s"'),
        ("cluster.node.accelerator.peak.bf16", "1.5", '"1.5 TFLOP/s" or "1.5 PFLOP/s"'),
        ("cluster.node.accelerator.power", "700", '"700 W"'),
        ("cluster.price", "2", '"2 USD/h"'),
        ("stack.kernel_gap", "3", '"3 us"'),
        ("stack.fixed_overhead", "3", '"3 s" or "3 min"'),
        ("stack.buffers", "3", '"3 GB" or "3 GiB"'),
        ("reliability", "{checkpoint: {interval: 30, write: 1 min}}", '"30 s" or "30 min"'),
        ("reliability", "{stalls: {rate: 2, duration: 1 min}}", '"2 /1000 d" or "2 /d"'),
        ("reliability", "{failures: {gpu: {rate: 2, of: node}}}", '"2 /1000 d" or "2 /d"'),
    ],
)
def test_a_bare_number_is_refused_with_the_units_it_may_be_in(
    scenario_file: Path, key: str, value: str, proposals: str
) -> None:
    (found,) = complaints(scenario_file, [f"{key}={value}"])
    assert found.endswith(f"has no unit. Write {proposals}")
    assert found.startswith(key)
    if key != "reliability":  # nor does it pass as text
        (quoted,) = complaints(scenario_file, [f'{key}="{value}"'])
        assert quoted.endswith(f"has no unit. Write {proposals}")


def test_files_are_refused_with_their_lines_all_at_once(catalog: Path) -> None:
    node = "{extends: acme-box, accelerator: {power: 300, peak: {bf16: 90}},\n scale_out: {bandwidth: 400}}"
    Path("scenario.yaml").write_text(SCENARIO.replace("node: acme-box", f"node: {node}"))
    assert complaints("scenario.yaml") == [
        'line 2   cluster.node.accelerator.power: 300 has no unit. Write "300 W"',
        'line 2   cluster.node.accelerator.peak.bf16: 90 has no unit. Write "90 TFLOP/s" or "90 PFLOP/s"'.replace(
            ' or "90 PFLOP/s"', ""
        ),
        'line 3   cluster.node.scale_out.bandwidth: 400 has no unit. Write "400 GB/s" or "400 Gb/s"',
    ]


def test_so_are_entries_of_an_own_catalog_and_files_by_path(catalog: Path) -> None:
    write_entry(catalog, "accelerators/mine", "extends: acme-one\nmemory: {capacity: 96}\n")
    source = {
        "model": "tiny",
        "cluster": {"node": {"extends": "acme-box", "accelerator": "mine"}, "nodes": 8},
        "training": {"sequence_length": 2048, "global_batch": 64},
        "stack": "acme-soft-2024",
    }
    (found,) = complaints(source)
    assert found.endswith('cluster.node.accelerator.memory.capacity: 96 has no unit. Write "96 GB" or "96 GiB"')
    assert "mine.yaml line 2" in found
    Path("soft.yaml").write_text("extends: acme-soft-2024\nfixed_overhead: 0.1\n")
    (found,) = complaints(source | {"cluster": "acme-64", "stack": "soft.yaml"})
    assert found.startswith("soft.yaml line 2 stack.fixed_overhead: 0.1 has no unit")


@pytest.mark.parametrize("value", ["0", "400 Gb/s", "null"])
def test_what_is_accepted(scenario_file: Path, value: str) -> None:
    """Nothing is nothing in any unit, and what is wrong otherwise is said as before."""
    key = "cluster.node.scale_up.latency" if value == "0" else BANDWIDTH
    if value == "null":
        (found,) = complaints(scenario_file, [f"{key}={value}"])
        assert "unit" not in found
    else:
        load_scenario(scenario_file, [f"{key}={value}"])


def test_shares_counts_and_factors_need_no_unit(scenario_file: Path) -> None:
    load_scenario(scenario_file, ["training.tokens=1e12", "stack.sustained=0.9", "cluster.slow_factor=1.5"])


@pytest.mark.parametrize("value", ["-400", ".nan", "{a: b}", "true", "1e999"])
def test_what_is_no_number_of_anything_is_said_once(scenario_file: Path, value: str) -> None:
    (found,) = complaints(scenario_file, [f"{BANDWIDTH}={value}"])
    assert "has no unit" not in found


def test_python_and_json_speak_si(scenario_file: Path) -> None:
    scenario = load_scenario(scenario_file, {BANDWIDTH: 50e9})
    assert scenario.cluster.node.scale_out.bandwidth == 50e9
    assert load_scenario(scenario.model_dump(mode="json")) == scenario
    assert load_scenario(scenario.model_dump()) == scenario


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (BANDWIDTH, 400.0, 'below what any hardware has had, 100 MB/s to 5 TB/s. Is "400 GB/s" or "400 Gb/s" meant?'),
        (BANDWIDTH, 1e17, "above what any hardware has had"),
        ("cluster.node.accelerator.memory.capacity", 80.0, 'Is "80 GB" or "80 GiB" meant?'),
        ("cluster.node.accelerator.peak.fp16", 989.0, 'Is "989 TFLOP/s" meant?'),
        ("cluster.node.accelerator.power", 4e8, "above what any hardware has had"),
        ("cluster.price", 2e7, "above what any hardware has had"),
        ("cluster.node.scale_up.latency", 5000.0, "above what any hardware has had"),
    ],
)
def test_what_no_hardware_has_had_is_refused_unless_it_is_meant(
    scenario_file: Path, key: str, value: float, words: str
) -> None:
    (found,) = complaints(scenario_file, {key: value})
    assert words in found
    assert key in found
    assert "`implausible_ok: true`" in found
    assert load_scenario(scenario_file, {key: value, "implausible_ok": True}).implausible_ok


@pytest.mark.parametrize(
    ("text", "fine"), [("10.1 kB/s", True), ("9.9 kB/s", False), ("49 PB/s", True), ("51 PB/s", False)]
)
def test_four_orders_of_magnitude(scenario_file: Path, text: str, fine: bool) -> None:
    if fine:
        load_scenario(scenario_file, [f"{BANDWIDTH}={text}"])
    else:
        assert len(complaints(scenario_file, [f"{BANDWIDTH}={text}"])) == 1


def test_the_catalog_needs_no_excuse() -> None:
    """Every packaged quantity has its unit, and lies within what is declared as ever built."""
    problems = []
    for section in sections():
        for name in names(section):
            file = search_path.find(search_path.catalog_folders(), section, name)
            assert file is not None
            document = search_path.read_document(file, [])
            assert document is not None
            problems += missing_units(document, section, (section, name))
    for kind in ("scenarios", "serving"):
        for name in config_names(kind):
            document = find_document(kind, name, [])[1]
            assert document is not None
            problems += missing_units(document, kind, (name,))
    assert problems == []


@pytest.mark.parametrize("kind", [Accelerator, Node, Cluster])
def test_declared_ranges_hold_the_catalog(kind: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from clustersim.inputs import plausible
    from clustersim.inputs.catalog import load

    monkeypatch.setattr(plausible, "ORDERS", 1.0)
    section = next(section for section, described in KINDS.items() if described is kind)
    assert [found for name in names(section) for found in implausible(load(section, name))] == []


def test_sweeps_refuse_bare_axes_and_write_units(catalog: Path, tmp_path: Path) -> None:
    Path("sweep.yaml").write_text(f"base: scenario.yaml\npoints: {{{BANDWIDTH}: [25, 50 GB/s]}}\n")
    Path("scenario.yaml").write_text(SCENARIO)
    result = CliRunner().invoke(cli, ["sweep", "sweep.yaml"])
    assert result.exit_code == 2
    assert f'{BANDWIDTH}: 25 has no unit. Write "25 GB/s" or "25 Gb/s"' in result.stderr
    result = CliRunner().invoke(cli, ["sweep", "scenario.yaml", f"{BANDWIDTH}=25,50"])
    assert f'{BANDWIDTH}: 50 has no unit. Write "50 GB/s" or "50 Gb/s"' in result.stderr
    base = yaml.safe_load(SCENARIO) | {"cluster": {"node": {"extends": "acme-box", "host_power": 2000.0}, "nodes": 8}}
    found = run_sweep(
        {"name": "s", "base": base, "points": {BANDWIDTH: [25e9, 50e9]}}, output=tmp_path / "s", workers=1
    )
    text = (found.folder / "sweep.yaml").read_text()
    assert "25000000000.0 B/s" in text
    assert "host_power: 2000.0 W" in text
    again = run_sweep(found.folder / "sweep.yaml", output=tmp_path / "s", workers=1)
    assert (again.reused, again.rows[0]["step_time_s"]) == (2, found.rows[0]["step_time_s"])


def claim(**parts: Any) -> str:
    given = {"model": "tiny", "cluster": {"node": "acme-box", "nodes": 8}, "stack": "acme-soft-2024"}
    source = {"text": "fast", "date": "2025-01-01", "who": "acme", "reliability": "rumour"}
    figure = {"id": "mfu", "metric": "mfu", "value": "40 %"}
    return json.dumps({"source": source, "given": given, "assert": [figure]} | parts)


@pytest.mark.parametrize(
    ("parts", "fine"),
    [
        ({"open": {BANDWIDTH: [25, 50]}}, False),
        ({"open": {BANDWIDTH: {"from": "25 GB/s", "to": 50}}}, False),
        ({"open": {BANDWIDTH: {"median": 25, "spread": 0.3}}}, False),
        ({"open": {BANDWIDTH: {"median": "25 GB/s", "spread": 0.3}}}, True),
        ({"open": {"cluster": [{"node": {"extends": "acme-box", "host_power": 3000}, "nodes": 8}]}}, False),
        ({"open": {"cluster.nodes": [8, 16]}}, True),
    ],
)
def test_claims_too(catalog: Path, parts: dict[str, Any], fine: bool) -> None:
    Path("claim.yaml").write_text(claim(**parts))
    if fine:
        load_claim("claim.yaml")
        return
    with pytest.raises(InputError, match="has no unit"):
        load_claim("claim.yaml")


def test_serving_too(catalog: Path) -> None:
    with pytest.raises(InputError, match=r'node\.scale_out\.bandwidth: 400 has no unit\. Write "400 GB/s"'):
        load_serving("llama3_70b_h100", ["node.scale_out.bandwidth=400"])
    with pytest.raises(InputError, match="any hardware has had"):
        load_serving("llama3_70b_h100", {"node.scale_out.bandwidth": 400.0})
    assert load_serving("llama3_70b_h100", {"node.scale_out.bandwidth": 400.0, "implausible_ok": True})


def test_bare_numbers_get_their_units_when_they_are_written() -> None:
    table = as_table({"cluster": {"node": {"accelerator": {"peak": {"bf16": 9e13}, "power": "3 W"}, "devices": 8}}})
    assert with_units(table, "scenarios") == {
        "cluster": {
            "node": {"accelerator": {"peak": {"bf16": "90000000000000.0 FLOP/s"}, "power": "3 W"}, "devices": 8}
        }
    }
    assert missing_in("seed", [1, 2]) == []
