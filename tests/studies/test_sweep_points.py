"""Points wait in memory for others of their structure, and are played in batches of one structure."""

from __future__ import annotations

import pytest

from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.step.side_by_side import structure_of
from clustersim.studies.sweeps import points
from clustersim.studies.sweeps.points import SweepPoints


@pytest.fixture(scope="module")
def scenarios() -> dict[str, Scenario]:
    """Twelve by key, of two structures, which take turns."""
    base = load_scenario("gpt3_175b_a100")
    other = load_scenario("gpt3_175b_a100", {"training.sequence_length": 4096})
    both = [
        each.model_copy(update={"stack": each.stack.model_copy(update={"kernel_gap": 1e-7 * number})})
        for number in range(6)
        for each in (base, other)
    ]
    return {f"{number:064x}": scenario for number, scenario in enumerate(both)}


@pytest.mark.parametrize(("batch", "waiting"), [(250, 2000), (4, 2000), (4, 5), (3, 1)])
@pytest.mark.parametrize("left_out", [0, 5])
def test_every_wanted_point_is_in_one_batch_with_its_scenario(
    scenarios: dict[str, Scenario], batch: int, waiting: int, left_out: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "BATCH", batch)
    monkeypatch.setattr(points, "MOST_WAITING", waiting)
    some = SweepPoints()
    for key, scenario in [*scenarios.items(), *scenarios.items()]:
        some.add({}, scenario, key)
    assert some.structures == 2
    assert [*some.keys] == [*scenarios]
    assert len(some.points) == 2 * len(scenarios)
    wanted = [*scenarios][left_out:]
    found = some.batches(set(wanted).__contains__)
    assert sorted(key for each in found for key in each.keys) == wanted
    for each in found:
        assert len(each.keys) <= batch
        played = each.scenarios()
        assert played == [scenarios[key] for key in each.keys]
        assert len({structure_of(scenario) for scenario in played}) == 1
        assert len({id(scenario.model) for scenario in played}) <= len(each.blocks), "what they shared they share"


def test_no_batch_is_empty(scenarios: dict[str, Scenario]) -> None:
    some = SweepPoints()
    for key, scenario in scenarios.items():
        some.add({}, scenario, key)
    assert len(some.batches(lambda key: False)) == 0
    assert len(some.batches(lambda key: key == next(iter(scenarios)))) == 1
