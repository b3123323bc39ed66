"""A base that is read with many overrides gives what reading it anew each time gives, mistakes included."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.errors import InputError
from clustersim.inputs import known_parts, per_object
from clustersim.inputs.load import ScenarioBase, load_scenario
from clustersim.inputs.per_object import PerObject
from clustersim.inputs.scenario import Scenario

OVERRIDES: list[dict[str, Any]] = [
    {},
    {"cluster.nodes": 16},
    {"cluster.nodes": 16, "layout.micro_batch": 2, "layout.data": "auto"},
    {"cluster.node.accelerator.memory.bandwidth": "1.5 TB/s"},
    {"cluster.node.accelerator.memory.capacity": "40 GiB"},  # what is usable follows it, which is noted
    {"cluster.node.accelerator.memory.bandwidth": "fast"},
    {"model": "gpt3-13b"},
    {"model": "gpt3-13x"},
    {"model.hidden": 12289},
    {"cluster": "32xdgx-h100"},
    {"cluster": {"accelerator": "h100-sxm-80gb", "devices": 256}, "stack": "megatron-lm-2024"},
    {"layout.tensor": 6, "stack.kernel_gap": "1 us"},
    {"layout": "search"},
    {"layuot.tensor": 6},
    {"reliability": "llama3-h100"},
    {"reliability.spares": 3},
    {"training.sequence": 4096},
    {"cluster.nodes": 16},  # again
]


def _read(read: Any, overrides: dict[str, Any]) -> Scenario | list[Any]:
    try:
        scenario: Scenario = read(overrides)
        return scenario
    except InputError as error:
        return [error.source, *error.problems] if hasattr(error, "source") else list(error.problems)


@pytest.mark.parametrize("file", ["gpt3_175b_a100", "deepseek_v3_h800_2048"])
@pytest.mark.parametrize("most", [1000, 1])
def test_a_base_gives_what_reading_anew_gives(file: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_parts, "MOST_PARTS", most)
    base = ScenarioBase(file)
    found = [_read(base.scenario, overrides) for overrides in OVERRIDES]
    expected = [_read(lambda changes: load_scenario(file, changes), overrides) for overrides in OVERRIDES]
    assert found == expected
    ended = {type(each) for each in found}
    assert ended == {Scenario, list}, "some are right and some are wrong"
    for one, other in zip(found, expected, strict=True):
        if isinstance(one, Scenario) and isinstance(other, Scenario):
            assert one.model_dump() == other.model_dump()
            assert one.notes == other.notes


def test_what_no_override_touches_is_the_same_object() -> None:
    base = ScenarioBase("gpt3_175b_a100")
    one, other = (base.scenario({"cluster.nodes": nodes, "layout.data": "auto"}) for nodes in (16, 32))
    assert one.model is other.model
    assert one.stack is other.stack
    assert one.cluster.node is other.cluster.node
    assert one.cluster.nodes != other.cluster.nodes


def test_a_function_is_called_once_for_each_object(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[int]] = []

    def length(part: list[int]) -> int:
        called.append(part)
        return len(part)

    known = PerObject(length)
    one, other = [1, 2], [1, 2]
    assert [known(one), known(one), known(other), known(other)] == [2, 2, 2, 2]
    assert [id(part) for part in called] == [id(one), id(other)]
    monkeypatch.setattr(per_object, "MOST_OBJECTS", 2)
    assert known([3]) == 1
    assert len(known._known) == 1
