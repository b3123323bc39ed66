"""Advice on a run: the best interval, spares, and what improvements are worth, against playing them."""

from __future__ import annotations

from typing import Any

import pytest
from builders import scenario

from clustersim.errors import InfeasibleError
from clustersim.inputs.reliability import Reliability
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.results import RunResult
from clustersim.simulation.run import simulate_run
from clustersim.simulation.run_clock.checkpoint_interval import daly_interval
from clustersim.studies.advice import advise
from clustersim.studies.seeds import play_runs

DAY = 86_400.0


def failing(**changes: Any) -> Scenario:
    values: dict[str, Any] = {
        "failures": {"node": {"rate": 1e-5, "of": "node", "replaces": 1.0, "diagnosis": 60.0}},
        "detection": 120.0,
        "restart": {"scheduling": 600.0},
        "checkpoint": {"interval": 600.0, "write": 30.0},
    }
    here = scenario(tokens=1e13)
    return here.model_copy(update={"reliability": Reliability.model_validate(values | changes)})


def result(**changes: Any) -> RunResult:
    return simulate_run(failing(**changes))


def test_the_best_interval_is_dalys() -> None:
    advice = advise(result())
    assert advice.best_interval_s == pytest.approx(float(daly_interval(30.0, 1 / 8e-5)), rel=0.05)
    assert advice.interval_s == 600.0
    assert advice.best_interval is not None
    assert advice.best_interval.days_saved >= 0.0
    already = advise(result(checkpoint={"interval": "best", "write": 30.0}))
    assert already.best_interval_s == pytest.approx(already.interval_s, rel=0.01)


def test_an_option_saves_what_playing_it_saves() -> None:
    """Half the failures, played with the same seeds."""
    here = failing()
    found = {option.change: option for option in advise(simulate_run(here)).options}
    half = found["half the failures"]
    before, after = play_runs(here, seeds=30), play_runs(failing(rate_factor=0.5), seeds=30)
    assert before.runs is not None
    assert after.runs is not None
    assert before.training_days is not None
    assert after.training_days is not None
    error = (before.runs.standard_error_s**2 + after.runs.standard_error_s**2) ** 0.5 / DAY
    assert abs(before.training_days - after.training_days - half.days_saved) < 4 * error
    assert half.usd_saved == pytest.approx(half.days_saved * 24 * 64 * 2.0)
    assert list(found) == sorted(found, key=lambda change: -found[change].days_saved)
    assert "no waiting for a person" not in found, "nobody waits here"


def test_every_improvement_that_there_is_to_make() -> None:
    stragglers = {"rate": 1e-7, "factor": 1.5}
    restart = {"scheduling": 600.0, "manual_share": 0.1, "manual_time": 3600.0}
    found = {option.change for option in advise(result(stragglers=stragglers, restart=restart)).options}
    assert found == {
        "half the failures",
        "detection and diagnosis twice as fast",
        "scheduling and initialisation twice as fast",
        "no waiting for a person",
        "storage twice as fast",
        "asynchronous checkpoints",
        "slow nodes found and replaced within an hour",
    }
    assert advise(result(failures={}, checkpoint=None)).best_interval is None


def test_the_fewest_spares_that_reach_a_target() -> None:
    here = {"spares": 30, "repair": 2 * DAY}
    spares = advise(result(**here), target=0.8).spares
    assert spares is not None
    assert spares.nodes is not None
    assert spares.nodes > 0
    enough, few = (result(**here | {"spares": spares.nodes - less}).goodput for less in (0, 1))
    assert enough is not None
    assert few is not None
    assert enough >= 0.8 > few
    never = advise(result(**here), target=0.99).spares
    assert never is not None
    assert never.nodes is None
    assert never.best < 0.99
    assert advise(result()).spares is None


def test_there_must_be_something_to_advise_on() -> None:
    with pytest.raises(InfeasibleError, match="--reliability"):
        advise(simulate_run(scenario(tokens=1e13)))
    with pytest.raises(InfeasibleError, match="makes no headway"):
        advise(result(restart={"scheduling": 86400.0}))
