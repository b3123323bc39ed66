"""No layout is listed twice under two names, and those that no prediction can tell apart are said to be equals."""

from __future__ import annotations

from itertools import combinations, pairwise

import builders
import pytest
from test_search import open_scenario, small_gpt

from clustersim.inputs.layout import Layout
from clustersim.inputs.resolve import resolve_scenario
from clustersim.simulation.results import RunResult
from clustersim.simulation.run import simulate_run
from clustersim.studies.layouts.alike import departures, equals, is_same, with_another
from clustersim.studies.layouts.candidates import EVERYTHING, Space
from clustersim.studies.layouts.search import SAME, search_layouts
from clustersim.views.console import plain_text
from clustersim.views.search_table import equals_words, search_view

SHARDINGS = Space(micro_batches=(1,), shardings=("none", "zero1", "zero2", "fsdp"))


def played(**layout: object) -> RunResult:
    return simulate_run(resolve_scenario(open_scenario(small_gpt()), Layout(**layout)))


@pytest.mark.parametrize("space", [SHARDINGS, EVERYTHING], ids=["shardings", "everything"])
def test_no_layout_is_listed_twice(space: Space) -> None:
    found = search_layouts(open_scenario(small_gpt(), batch=8), top=12, space=space)
    assert len(found.best) == 12
    assert not any(is_same(one, other) for one, other in combinations(found.best, 2))
    assert space is EVERYTHING or found.rejected.get(SAME, 0) > 0  # close bounds leave others unplayed


def test_sharding_over_one_rank_is_none_and_has_its_name() -> None:
    none, zero1 = (played(tensor=2, pipeline=4, sharding=sharding) for sharding in ("none", "zero1"))
    assert is_same(none, zero1)
    for order in ((none, zero1), (zero1, none)):
        found: list[RunResult] = []
        assert [with_another(found, result) for result in order] == [True, False]
        assert found == [none]


def test_a_batch_of_one_passes_a_pipeline_alike_under_two_schedules() -> None:
    usual, gpipe = (played(tensor=2, pipeline=4, micro_batch=32, schedule=name) for name in ("1f1b", "gpipe"))
    found: list[RunResult] = []
    assert [with_another(found, result) for result in (gpipe, usual)] == [True, False]
    assert found == [usual]


def test_layouts_that_differ_in_size_or_bytes_are_different() -> None:
    assert not is_same(played(tensor=2, pipeline=4), played(tensor=4, pipeline=2))
    assert not is_same(played(tensor=2, pipeline=2, sharding="none"), played(tensor=2, pipeline=2, sharding="zero1"))
    assert not is_same(played(tensor=8), played(tensor=8, recompute="full"))


def test_equals_lie_within_one_anothers_intervals_and_groups_do_not() -> None:
    slow = [{"tensor": 2, "pipeline": 4, "micro_batch": 32, "schedule": name} for name in ("1f1b", "gpipe")]
    fast = [{"tensor": 2, "pipeline": 4}, {"tensor": 2, "pipeline": 4, "sharding": "zero2"}, {"tensor": 4}]
    best = sorted((played(**layout) for layout in (*slow, *fast)), key=lambda result: result.step.step_time_s)
    groups = equals(best)
    assert [place for group in groups for place in group.places] == list(range(5))
    assert len(groups) > 1
    for group in groups:
        low, high = best[group.places[0]].step.intervals["step_time_s"]["80"]
        assert all(low <= best[place].step.step_time_s <= high for place in group.places)
        held = {place: best[place].step.memory_bytes for place in group.places}
        assert held[group.leanest] == min(held.values())
        ways = {place: departures(best[place].step.scenario.resolved_layout) for place in group.places}
        assert ways[group.simplest] == min(ways.values())
    for one, other in pairwise(groups):
        first, second = best[one.places[0]].step, best[other.places[0]].step
        low, high = first.intervals["step_time_s"]["80"]
        below, above = second.intervals["step_time_s"]["80"]
        assert not (low <= second.step_time_s <= high and below <= first.step_time_s <= above)


def test_one_result_is_a_group_by_itself_and_needs_no_words() -> None:
    found = search_layouts(open_scenario(small_gpt()), top=1)
    assert [group.places for group in equals(found.best)] == [(0,)]
    assert equals_words(found) == []


def test_the_table_numbers_layouts_and_says_which_are_equals() -> None:
    found = search_layouts(open_scenario(small_gpt()), top=3)
    assert "1 to 3 can't be told apart" in equals_words(found)[0]
    assert "the leanest" in equals_words(found)[0]
    assert "can't be told apart" in plain_text(search_view(found), 132)


def test_simpler_is_what_departs_in_fewer_ways() -> None:
    plain = departures(Layout(data=8))
    assert plain < departures(Layout(tensor=2)) < departures(Layout(tensor=2, pipeline=2))
    assert plain < departures(Layout(data=8, recompute="full"))
    assert departures(Layout(sharding="zero1")) < departures(Layout(sharding="zero2"))
    assert departures(Layout(pipeline=2, schedule="1f1b")) < departures(Layout(pipeline=2, schedule="gpipe"))


def test_progress_moves_towards_a_number_that_is_near() -> None:
    seen: list[tuple[int, int]] = []
    found = search_layouts(open_scenario(builders.moe()), top=5, progress=lambda *done: seen.append(done))
    assert seen[0][1] < found.feasible / 2
    assert all(done <= total for done, total in seen)
    assert seen[-1][0] == found.played
