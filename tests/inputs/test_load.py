# ruff: noqa: E501 (messages stand as they are printed)
from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_catalog import SCENARIO, write_entry

from clustersim.errors import InfeasibleError, InputError
from clustersim.inputs import search_path
from clustersim.inputs.layout import ResolvedLayout
from clustersim.inputs.load import config_names, load_claim, load_config, load_scenario
from clustersim.inputs.table import locate


def complaint(text: str, file: str = "scenario.yaml") -> list[str]:
    Path(file).write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_scenario(file)
    return str(caught.value).splitlines()


def test_a_file_becomes_a_resolved_scenario(scenario_file: Path) -> None:
    scenario = load_scenario(scenario_file)
    assert (scenario.name, scenario.model.name, scenario.cluster.devices) == ("scenario", "Tiny", 64)
    assert scenario.training.tokens == 1e12
    plan = scenario.resolved_layout
    assert isinstance(plan, ResolvedLayout)
    assert (plan.data, plan.recompute, plan.stage_layers) == (4, "selective", (4, 4, 4, 4))
    assert scenario.training.grad_reduce_precision == "bf16"
    assert scenario.notes == ()
    assert load_scenario("scenario.yaml") == scenario


def test_resolved_scenarios_survive_pickling_and_json(scenario_file: Path) -> None:
    scenario = load_scenario(scenario_file)
    assert pickle.loads(pickle.dumps(scenario)) == scenario
    again = load_scenario(scenario.model_dump(mode="json"))
    assert again == scenario
    assert again.model_dump_json() == scenario.model_dump_json()


def test_equal_scenarios_have_equal_bytes_in_every_process(scenario_file: Path) -> None:
    code = "from clustersim import load_scenario; print(load_scenario('scenario.yaml').model_dump_json())"
    runs = [
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True)
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout
    assert b'"overlap":["grad_reduce","param_gather"]' in runs[0].stdout


@pytest.mark.parametrize("layout", ["layout: search\n", ""])
def test_without_a_layout_it_stays_open(catalog: Path, layout: str) -> None:
    Path("open.yaml").write_text(SCENARIO[: SCENARIO.index("layout:")] + layout + "stack: acme-soft-2024\n")
    scenario = load_scenario("open.yaml")
    assert scenario.layout == "search"
    assert scenario.training.grad_reduce_precision == "bf16"
    with pytest.raises(InfeasibleError, match="still open"):
        _ = scenario.resolved_layout


def test_the_page_of_the_first_five_minutes(catalog: Path) -> None:
    text = SCENARIO.replace("tensor: 4", "tensor: 6").replace("{node: acme-box,", "{accelerator: acmeone,")
    assert complaint(text) == [
        "scenario.yaml: 2 problems",
        '  line 2   cluster.accelerator: no accelerator "acmeone" in the catalog. Did you mean acme-one, acme, acme-uno?',
        "  line 8   layout.tensor: 6 does not divide the 16 attention heads. Divisors near it: 4, 8",
    ]


def test_every_kind_of_mistake_at_once(catalog: Path) -> None:
    text = (
        "modle: tiny\n"
        "cluster:\n"
        "  node: acme-box\n"
        "  devices: 60\n"
        "  price: 3 EUR/h\n"
        "training:\n"
        "  sequence_length: 2048\n"
        "  sequence_length: 4096\n"
        "  precision: fp8\n"
        "  tokens: 1 GiB\n"
        "layout: {tp: 4, tensor: 2, schedule: 2f2b}\n"
        "stack: acme-soft\n"
        "seed: -1\n"
    )
    assert complaint(text) == [
        "scenario.yaml: 11 problems",
        "  model: required, but absent: catalog name, path (YAML or Hugging Face config.json) or mapping",
        "  line 1   modle: unknown key. Did you mean model?",
        "  line 4   cluster.devices: 60 is no multiple of the node's 8 devices. Near it: 56, 64; or set cluster.node.devices",
        '  line 5   cluster.price: "3 EUR/h": unknown unit "EUR/h". Accepted: "2.29 USD/h", "$2/h"',
        "  line 6   training.global_batch: required, but absent: sequences an optimizer step",
        "  line 8   training.sequence_length: this key stands on line 7 already",
        '  line 10  training.tokens: "1 GiB": GiB is a unit of bytes. Accepted: "14.8T", "300B", or a plain number such as '
        "175e9",
        "  line 11  layout.tensor: the same as tp, which is given too",
        "  line 11  layout.schedule: expected one of gpipe, 1f1b, interleaved-1f1b, zb-h1, zb-1p, zb-2p, zb-v, dualpipe; "
        'got "2f2b"',
        '  line 12  stack: no stack "acme-soft" in the catalog. Did you mean acme-soft-2025, acme-soft-2024?',
        "  line 13  seed: expected at least 0; got -1",
    ]


def test_good_keys_of_a_bad_layout_are_still_checked(catalog: Path) -> None:
    text = SCENARIO.replace("tensor: 4", "tensor: 3").replace("pipeline: 4", "pipeline: four")
    assert [line[:30] for line in complaint(text)[1:]] == [
        "  line 8   layout.tensor: 3 do",
        "  line 9   layout.pipeline: ex",
    ]


def test_cross_checks_point_at_lines(catalog: Path) -> None:
    text = SCENARIO.replace("pipeline: 4", "pipeline: 5").replace("global_batch: 64", "global_batch: 65")
    assert complaint(text)[1:] == [
        "  line 9   layout.pipeline: tensor 4 x pipeline 5 x context 1 = 20 does not divide the 64 devices. Divisors near "
        "it: 16, 32"
    ]
    text = SCENARIO.replace("global_batch: 64", "global_batch: 65")
    assert complaint(text)[1].startswith("  line 5   training.global_batch: 65 sequences are no multiple of data 4 x")


def test_a_precision_that_the_chip_lacks(catalog: Path) -> None:
    text = SCENARIO.replace("tokens: 1T", "precision: fp8")
    assert complaint(text)[1] == "  line 6   training.precision: Acme One has no fp8. It has bf16, fp16"
    assert load_scenario("scenario.yaml", {"cluster.accelerator": "acme-two"}).training.precision == "fp8"


def test_a_foreign_stack_is_noted_not_refused(catalog: Path) -> None:
    write_entry(catalog, "stacks/other", "extends: acme-soft-2024\nname: Other\nvendors: [rival]\n")
    Path("s.yaml").write_text(SCENARIO.replace("acme-soft-2024", "other") + "notes: [mine]\n")
    assert load_scenario("s.yaml").notes == (
        "mine",
        "stack Other is known for chips of rival, and this is Acme One of acme",
    )
    assert len(load_scenario("s.yaml", {"layout": "search"}).notes) == 2
    resolved = load_scenario("s.yaml")
    assert load_scenario(resolved.model_dump(mode="json")) == resolved, "a note isn't made twice"


def test_uneven_stages_are_noted(scenario_file: Path) -> None:
    scenario = load_scenario(scenario_file, ["model.layers=15"])
    assert scenario.resolved_layout.stage_layers == (4, 4, 4, 3)
    assert scenario.notes == ("15 layers over 4 virtual stages: 3 to 4 each",)
    given = load_scenario(scenario_file, ["model.layers=15", "layout.stage_layers=[3, 4, 4, 4]"])
    assert (given.resolved_layout.stage_layers, given.notes) == ((3, 4, 4, 4), ())


def test_problems_of_referenced_files_name_them(catalog: Path) -> None:
    Path("mine.yaml").write_text("extends: tiny\nlayers: many\n")
    lines = complaint(SCENARIO.replace("model: tiny", "model: mine.yaml").replace("tokens: 1T", "tokens: 1X"))
    assert lines == [
        "scenario.yaml: 2 problems",
        '  line 6   training.tokens: "1X": unknown unit "X". Accepted: "14.8T", "300B", or a plain number such as 175e9',
        '  mine.yaml line 2 model.layers: expected a whole number; got "many"',
    ]
    Path("mine.yaml").write_text("layers: [\n")
    assert complaint(SCENARIO.replace("model: tiny", "model: mine.yaml"))[1].startswith(
        "  mine.yaml line 2 not valid YAML"
    )


def test_scenarios_extend_each_other(scenario_file: Path) -> None:
    Path("folder").mkdir()
    Path("folder/more.yaml").write_text("extends: ../scenario.yaml\ncluster: {nodes: 16}\nlayout: {tp: 2}\n")
    more = load_scenario("folder/more.yaml")
    assert (more.name, more.cluster.devices, more.resolved_layout.tensor, more.resolved_layout.pipeline) == (
        "more",
        128,
        2,
        4,
    )
    inline = load_scenario({"extends": "folder/more.yaml", "model": {"layers": 8}})
    assert (inline.model.layers, inline.cluster.devices) == (8, 128)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: ring.yaml\n", "line 1   extends: ring.yaml extends itself"),
        ("extends: 5\n", "expected the name of a scenario, or a path"),
        ("extends: nowhere\n", 'no scenario "nowhere" in ./configs/scenarios or among the shipped ones'),
        ("extends: absent.yaml\n", "absent.yaml: no such file"),
        ('extends: "a\\0b.yaml"\n', "no such file"),
    ],
)
def test_scenarios_that_extend_nothing_sensible(catalog: Path, text: str, message: str) -> None:
    assert any(message in line for line in complaint(text, "ring.yaml"))


def test_names_are_looked_up_in_configs(catalog: Path) -> None:
    Path("configs/scenarios").mkdir(parents=True)
    Path("configs/scenarios/my_own-run.yaml").write_text(SCENARIO)
    assert load_scenario("my-own_run").name == "my_own-run"
    assert "my_own-run" in config_names("scenarios")
    with pytest.raises(InputError, match="Did you mean my_own-run"):
        load_scenario("my_own_rum")


def test_shipped_configs_are_found_in_a_checkout_and_in_an_installation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "clustersim").mkdir(parents=True)
    (checkout / "configs/claims").mkdir(parents=True)
    monkeypatch.setattr(search_path, "_packaged", lambda package: checkout / package.replace(".", "/"))
    assert search_path.config_folders()[1] == checkout / "configs"
    shutil.move(checkout / "configs", checkout / "clustersim/configs")
    assert search_path.config_folders()[1] == checkout / "clustersim/configs"


@pytest.mark.parametrize("source", ["absent.yaml", Path("absent.yaml"), "absent/", "a\0.yaml", "~nobody-here/x.yaml"])
def test_no_such_file(catalog: Path, source: Any) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_scenario(source)


def test_endless_mappings_and_empty_ones(catalog: Path) -> None:
    endless: dict[str, Any] = {}
    endless["model"] = endless
    with pytest.raises(InputError, match="nested more than 50 deep"):
        load_scenario(endless)
    with pytest.raises(InputError, match="scenario: 3 problems"):
        load_scenario({})


CLAIM = """\
source: {text: "82 %", date: 2025-04-28, who: somebody, reliability: rumour}
given: {model: tiny, cluster: {accelerator: acme-one}}
open: {cluster.nodes: [1, 2]}
assert:
  - {id: u, metric: utilization, value: 82 %}
  - {id: v, metric: speed, value: 82 %, note: hearsay}
"""


def test_claims_and_other_documents(catalog: Path) -> None:
    Path("claim.yaml").write_text(CLAIM)
    with pytest.raises(InputError) as caught:
        load_claim("claim.yaml")
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [
        (6, "assert[1].metric"),
        (6, "assert[1].note"),
    ]
    Path("claim.yaml").write_text(
        CLAIM.replace("speed, value: 82 %, note: hearsay", "achieved_flops, value: 512 PFLOP/s")
    )
    claim = load_claim(Path("claim.yaml"))
    assert (claim.name, claim.source.date, len(claim.assertions)) == ("claim", "2025-04-28", 2)
    document = load_config("claims", "claim.yaml")
    assert document["assert"][0]["value"] == "82 %"
    assert locate(document, ("open", "cluster.nodes")).line == 3
    assert load_claim({"name": "n", **document}).name == "n"


def test_sweep_documents_keep_what_looks_like_a_citation(catalog: Path) -> None:
    document = load_config("sweeps", {"base": "x", "points": {"value": [1], "note": "n"}})
    assert document == {"base": "x", "points": {"value": [1], "note": "n"}}
    with pytest.raises(InputError, match="no sweep"):
        load_config("sweeps", "nothing-like-this")
    Path("s.yaml").write_text("a: 1\na: 2\n")
    with pytest.raises(InputError, match="line 2   a: this key"):
        load_config("sweeps", "s.yaml")


def test_every_shipped_scenario_loads() -> None:
    for name in config_names("scenarios"):
        assert load_scenario(name).name
