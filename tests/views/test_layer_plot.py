"""The picture of a layer's passes: its rows and boxes, and how it looks."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import moe, scenario
from pictures import assert_looks_like

from clustersim.errors import InputError
from clustersim.simulation.inspect.pass_detail import PlayedPass, played_passes, usual_layer
from clustersim.simulation.step.step import play_step
from clustersim.views.layer_plot import chosen_passes, draw_layer, slots_of

STEP = play_step(scenario(nodes=1, model=moe(layers=8), data=8, expert=8, overlap=frozenset({"expert"})))


@pytest.fixture(scope="module")
def passes() -> list[PlayedPass]:
    return chosen_passes(list(played_passes(STEP)), "expert layer")


def test_most_layers_are_the_usual_ones() -> None:
    assert usual_layer(STEP) == "expert layer"


def test_every_operation_that_takes_time_is_a_box_on_its_stream(passes: list[PlayedPass]) -> None:
    rows, slots = slots_of(passes)
    assert [row.label for row in rows] == ["compute", "expert"] * 3
    assert [row.heading.split(",")[0] for row in rows if row.heading] == [
        "forward",
        "backward",
        "forward and backward together",
    ]
    assert [bool(row.heading) for row in rows] == [True, False] * 3
    took = sum(int((played.timeline.end > played.timeline.start).sum()) for played in passes)
    assert len(slots) == took
    for row, played in ((1, passes[0]), (3, passes[1])):
        assert {slot.part for slot in slots if slot.row == row} == {"expert_comm"}
        assert max(slot.right for slot in slots if slot.row in (row - 1, row)) == played.timeline.makespan[0]


def test_a_layer_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="there are embedding, dense layer, expert layer, head"):
        chosen_passes(list(played_passes(STEP)), "attention")


def test_the_picture(passes: list[PlayedPass], tmp_path: Path) -> None:
    assert_looks_like(draw_layer(passes, title="Some experts", about="expert layer"), "layer", tmp_path)
