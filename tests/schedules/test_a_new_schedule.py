"""A schedule is its module and a line of the registry: nothing else asks for its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import clustersim
from clustersim.schedules.registry import SCHEDULES

PACKAGE = Path(clustersim.__file__).parent

# Backward passes last to first in groups of as many micro-batches as stages, gradients of weights at the end.
MODULE = '''
"""Backward passes of a group of micro-batches after its forward passes, weights' gradients behind all of them."""

from clustersim.schedules.gpipe import bubble_lower_bound, in_flight
from clustersim.schedules.placement import by_turns as placement
from clustersim.schedules.schedule import FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, order_of
from clustersim.schedules.traits import APART, WHOLE, Multiples, Traits

__all__ = ["bubble_lower_bound", "in_flight", "order", "placement", "traits"]


def groups_of_three(stages):
    return Multiples(3, 3, "groups of three need")


traits = Traits(WHOLE | APART, post_validates=True, micro_batches=groups_of_three)


def order(stages, micro_batches, virtual_stages):
    passes = []
    for first in range(0, micro_batches, 3):
        passes += [(FORWARD, 0, first + i) for i in range(3)]
        passes += [(INPUT_GRADIENT, 0, first + i) for i in range(3)]
    passes += [(WEIGHT_GRADIENT, 0, i) for i in range(micro_batches)]
    return [order_of(passes)] * stages
'''

# What a user does with it: a layout, checks, a step, a search, a sweep's structure.
PROGRAM = """
import json
from clustersim.inputs.load import load_scenario
from clustersim.errors import InputError
from clustersim.inputs.layout import Layout
from clustersim.simulation.intervals import layout_kinds
from clustersim.simulation.step.step import simulate_step
from clustersim.studies.layouts.candidates import Space
from clustersim.studies.layouts.search import search_layouts

given = dict(tensor=8, pipeline=4, schedule="groups")
scenario = dict(
    model="gpt3-13b",
    cluster=dict(node="dgx-a100-80gb", nodes=8),
    training=dict(sequence_length=2048, global_batch=24),
    stack="megatron-lm-2024",
)
described = load_scenario({**scenario, "layout": given})
step, reference = (simulate_step(described, engine=engine) for engine in ("array", "reference"))
messages = []
for change in ({"virtual_stages": 2}, {"micro_batch": 3}, {"schedule": "groupz"}):
    try:
        load_scenario({**scenario, "layout": given | change})
    except InputError as error:
        messages += [str(problem) for problem in error.problems]
space = Space(schedules=("groups",), where="pipeline > 1 and virtual_stages == 1")
found = search_layouts(load_scenario(scenario), top=3, space=space)
print(json.dumps({
    "schema": Layout.model_json_schema()["properties"]["schedule"]["anyOf"][0]["enum"],
    "equal": step.step_time_s == reference.step_time_s,
    "sum": sum(step.breakdown.values()) / step.step_time_s,
    "kinds": sorted(layout_kinds(described)),
    "messages": messages,
    "found": [best.step.scenario.resolved_layout.schedule for best in found.best],
}))
"""


def test_a_module_and_a_line_make_a_schedule(tmp_path: Path) -> None:
    """In a copy of the package: all that a user meets knows the new schedule, and two files differ."""
    copy = tmp_path / "clustersim"
    copy.mkdir()
    for part in PACKAGE.iterdir():
        if part.name not in ("schedules", "__pycache__"):
            (copy / part.name).symlink_to(part)
    (copy / "schedules").mkdir()
    for module in (PACKAGE / "schedules").glob("*.py"):
        (copy / "schedules" / module.name).write_text(module.read_text(encoding="utf-8"), encoding="utf-8")
    registry = copy / "schedules" / "registry.py"
    text = registry.read_text(encoding="utf-8")
    registry.write_text(text.replace('    "gpipe": gpipe,\n', '    "gpipe": gpipe,\n    "groups": groups,\n'), "utf-8")
    imported = registry.read_text(encoding="utf-8").replace(
        "import dualpipe, gpipe,", "import dualpipe, gpipe, groups,"
    )
    registry.write_text(imported, encoding="utf-8")
    (copy / "schedules" / "groups.py").write_text(MODULE, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert "groups" in told["schema"]
    assert told["equal"]
    assert told["sum"] == pytest.approx(1.0)
    assert told["kinds"] == ["passes over weights apart"]
    assert told["found"] == ["groups"] * 3
    chunks, count, name = told["messages"]
    assert "groups runs one virtual stage a device, not 2. With 2: interleaved-1f1b, zb-v" in chunks
    assert "micro-batches a replica are no multiple of 3, as groups of three need. global_batch near it:" in count
    assert "groups" in name


def test_every_schedule_of_the_registry_states_its_traits() -> None:
    for name, schedule in SCHEDULES.items():
        traits = schedule.traits
        assert traits.chunks.start >= 1, name
        assert traits.passes, name
        assert traits.stages.take(traits.stages.near(1)[0]), name
        for stages in (2, 4):
            counts = traits.micro_batches(stages)
            assert all(counts.take(size) for size in counts.near(counts.least + 1)), name
