"""Many played runs of one plan: means, spreads, quantiles, and where the time went."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clustersim.inputs.units import SECONDS_A_DAY
from clustersim.simulation.run_clock.play import PlayedRun

TAILS = {"80": 0.1, "95": 0.025}


@dataclass(frozen=True)
class PlayedRuns:
    """Runs of different seeds, at least one."""

    runs: tuple[PlayedRun, ...]

    @property
    def wall_s(self) -> float:
        """Mean wall seconds."""
        return self._mean(lambda run: run.wall_s)

    @property
    def standing_s(self) -> float:
        """Mean seconds in which nothing was trained."""
        return self._mean(lambda run: run.standing_s)

    @property
    def goodput(self) -> float:
        """Undisturbed over mean wall time."""
        return self.runs[0].work_s / self.wall_s

    @property
    def interruptions(self) -> float:
        """Mean number of unexpected interruptions."""
        return self._mean(lambda run: float(sum(run.interruptions.values())))

    @property
    def mtti_s(self) -> float | None:
        """Mean wall time to an unexpected interruption; None where there was none."""
        return self.wall_s / self.interruptions if self.interruptions else None

    @property
    def spread(self) -> float:
        """Standard deviation of the logarithm of the wall time, from run to run."""
        return statistics.stdev(math.log(run.wall_s) for run in self.runs) if len(self.runs) > 1 else 0.0

    @property
    def standard_error_s(self) -> float:
        """Of the mean wall time."""
        walls = [run.wall_s for run in self.runs]
        return statistics.stdev(walls) / math.sqrt(len(walls)) if len(walls) > 1 else 0.0

    def lost(self) -> dict[str, dict[str, float]]:
        """Mean lost seconds by cause and phase, the costliest cause first."""
        total: dict[str, dict[str, float]] = {}
        for run in self.runs:
            for cause, phases in run.lost.items():
                into = total.setdefault(cause, {})
                for phase, seconds in phases.items():
                    into[phase] = into.get(phase, 0.0) + seconds / len(self.runs)
        return dict(sorted(total.items(), key=lambda item: (-sum(item[1].values()), item[0])))

    def counts(self) -> dict[str, float]:
        """Mean number of unexpected interruptions by cause."""
        causes = dict.fromkeys(cause for run in self.runs for cause in run.interruptions)
        return {cause: self._mean(lambda run, cause=cause: float(run.interruptions.get(cause, 0))) for cause in causes}

    def _mean(self, figure: Callable[..., float]) -> float:
        return math.fsum(figure(run) for run in self.runs) / len(self.runs)

    def to_dict(self) -> dict[str, Any]:
        """For programs: days, not seconds."""
        days = [run.wall_s / SECONDS_A_DAY for run in self.runs]
        return {
            "seeds": [run.seed for run in self.runs],
            "training_days": _summary(days),
            "goodput": _summary([run.goodput for run in self.runs]),
            "interruptions": _summary([float(sum(run.interruptions.values())) for run in self.runs]),
            "interruptions_by_cause": self.counts(),
            "lost_days": {
                cause: {phase: seconds / SECONDS_A_DAY for phase, seconds in phases.items()}
                for cause, phases in self.lost().items()
            },
        }


def _summary(values: list[float]) -> Mapping[str, Any]:
    """Mean, standard deviation and the central intervals of a figure over the seeds."""
    ordered = sorted(values)
    return {
        "mean": math.fsum(values) / len(values),
        "sd": statistics.stdev(values) if len(values) > 1 else None,
        "intervals": {level: [quantile(ordered, tail), quantile(ordered, 1.0 - tail)] for level, tail in TAILS.items()},
        "values": values,
    }


def quantile(ordered: list[float], share: float) -> float:
    """Of ascending values, linear between them."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
