"""The points of a sweep: from values to scenarios, and from scenarios to rows."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple, overload

from clustersim.errors import ClustersimError, InfeasibleError, InputError, Problem
from clustersim.inputs.base import Description
from clustersim.inputs.load import ScenarioBase
from clustersim.inputs.per_object import PerObject
from clustersim.inputs.renaming import KeyNote
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.sweep import Sweep
from clustersim.simulation.result_row import ResultRow
from clustersim.simulation.results import RunResult
from clustersim.simulation.run import simulate_run, simulate_runs
from clustersim.simulation.step.side_by_side import is_alone, structure_of
from clustersim.studies.sweeps.code_digest import code_digest
from clustersim.studies.sweeps.journal import key_of
from clustersim.studies.sweeps.records import Records
from clustersim.studies.sweeps.result_columns import COLUMNS, refused_row, result_row

MOST_PROBLEMS = 20  # shown of a sweep's points
BATCH = 250  # points that one worker plays side by side
MOST_WAITING = 2000  # points in memory until there are enough of their structure to be kept together
NO_EFFECT = {"name", "notes"}  # parts of a scenario that no figure depends on


@dataclass(frozen=True)
class PlaySettings:
    """How every point is simulated."""

    engine: str = "auto"
    intervals: bool = True


@dataclass(frozen=True)
class SweepPoint:
    """One point: its values by key, and the key of its result, or the row that says why it can have none."""

    values: Mapping[str, Any]
    key: str = ""
    refusal: ResultRow | None = None


@dataclass(frozen=True)
class PointBatch:
    """Scenarios that are played side by side, pickled block by block, with the keys of their results."""

    keys: tuple[str, ...]
    blocks: tuple[tuple[bytes, tuple[int, ...]], ...]  # pickled scenarios, and the places of those that are wanted

    def scenarios(self) -> list[Scenario]:
        """Those that are wanted, in the order of their keys. What those of a block share, they still share."""
        return [some[place] for some, places in self._read() for place in places]

    def _read(self) -> Iterator[tuple[Sequence[Scenario], tuple[int, ...]]]:
        return ((pickle.loads(block), places) for block, places in self.blocks)


@dataclass(frozen=True)
class _Block:
    """Scenarios of one structure that are kept together."""

    number: int  # of their record
    keys: tuple[str, ...]


class SweepPoints:
    """All points of a sweep in order, and one scenario for each key of a result: in a file, for there may be many."""

    def __init__(self) -> None:
        self.points: Records[SweepPoint] = Records()
        self._keys: dict[str, None] = {}
        self._scenarios: Records[list[Scenario]] = Records()  # a block each
        self._structures: dict[bytes, list[_Block]] = {}  # structure -> scenarios that have it
        self._open: dict[bytes, list[tuple[str, Scenario]]] = {}  # key and scenario of those that are in no block yet
        self._waiting = 0  # scenarios in no block yet
        self.searches = 0  # scenarios whose layout is to be searched
        self.key_notes: dict[KeyNote, None] = {}  # on keys under other words

    def refuse(self, values: Mapping[str, Any], reason: str) -> None:
        """One more point, whose parts don't fit each other."""
        self.points.append(SweepPoint(values, refusal=refused_row("infeasible", reason)))

    def add(self, values: Mapping[str, Any], scenario: Scenario, key: str) -> None:
        """One more point with its scenario."""
        self.points.append(SweepPoint(values, key))
        self.key_notes |= dict.fromkeys(note for note in scenario.notes if isinstance(note, KeyNote))
        if key in self._keys:
            return
        self._keys[key] = None
        self.searches += scenario.layout == "search"
        structure = _structure(scenario, key)
        self._structures.setdefault(structure, [])
        self._open.setdefault(structure, []).append((key, scenario))
        self._waiting += 1
        if len(self._open[structure]) == BATCH:
            self._close(structure)
        elif self._waiting == MOST_WAITING:
            self._close(*self._open)

    def _close(self, *structures: bytes) -> None:
        """Keep what waits of some structures as a block each."""
        for structure in structures:
            keys, scenarios = zip(*self._open.pop(structure), strict=True)
            self._structures[structure].append(_Block(len(self._scenarios), keys))
            self._scenarios.append(list(scenarios))
            self._waiting -= len(keys)

    @property
    def keys(self) -> Collection[str]:
        """Of the results that are wanted."""
        return self._keys.keys()

    @property
    def structures(self) -> int:
        """How many shapes there are: scenarios of one shape are played side by side."""
        return len(self._structures)

    def batches(self, wanted: Callable[[str], bool]) -> Sequence[PointBatch]:
        """Scenarios whose keys are wanted, those of one structure together, as structures first come."""
        self._close(*self._open)
        parts = ([_part(block, wanted) for block in blocks] for blocks in self._structures.values())
        return _Batches(self._scenarios, [batch for some in parts for batch in _joined(some)])


class _Part(NamedTuple):
    """The scenarios of a block that are wanted."""

    block: _Block
    places: array[int]


def _part(block: _Block, wanted: Callable[[str], bool]) -> _Part:
    return _Part(block, array("H", (place for place, key in enumerate(block.keys) if wanted(key))))


def _joined(parts: Iterable[_Part]) -> Iterator[list[_Part]]:
    """Parts of one structure as batches."""
    batch: list[_Part] = []
    for part in parts:
        if batch and sum(len(each.places) for each in (*batch, part)) > BATCH:
            yield batch
            batch = []
        if part.places:
            batch.append(part)
    if batch:
        yield batch


class _Batches(Sequence[PointBatch]):
    """Batches that are read when they are asked for."""

    def __init__(self, scenarios: Records[list[Scenario]], batches: Sequence[Sequence[_Part]]) -> None:
        self._scenarios, self._batches = scenarios, batches

    def __len__(self) -> int:
        return len(self._batches)

    @overload
    def __getitem__(self, place: int) -> PointBatch: ...

    @overload
    def __getitem__(self, place: slice) -> list[PointBatch]: ...

    def __getitem__(self, place: int | slice) -> PointBatch | list[PointBatch]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        parts = self._batches[place]
        return PointBatch(
            tuple(block.keys[each] for block, places in parts for each in places),
            tuple((self._scenarios.pickled(block.number), tuple(places)) for block, places in parts),
        )


def _structure(scenario: Scenario, key: str) -> bytes:
    """What scenarios that can be played side by side have in common, in 16 bytes; of one that is alone, its key."""
    alone = scenario.layout == "search" or is_alone(scenario)
    described = key if alone else "".join(map(_said, structure_of(scenario)))
    return blake2b(described.encode(), digest_size=16).digest()


def _said(part: Hashable) -> str:
    return _repr_of(part) if isinstance(part, Description) else repr(part)


_repr_of = PerObject[Description, str](repr)


def resolve_points(sweep: Sweep, base: Mapping[str, Any] | str, settings: PlaySettings) -> SweepPoints:
    """Every point of a sweep in order, with its scenario.

    A point whose parts don't fit each other is infeasible. Raises InputError with every mistake in keys and values
    themselves, before anything is simulated.
    """
    source = ScenarioBase(base)
    seed = source.scenario(next(iter(sweep.expand()))).seed if sweep.seeds > 1 else 0
    points = SweepPoints()
    mistakes: dict[Problem, None] = {}
    for values in sweep.expand(seed):
        try:
            scenario = source.scenario(values)
        except InputError as error:
            mistakes |= dict.fromkeys(problem for problem in error.problems if not problem.misfit)
            points.refuse(values, "; ".join(f"{problem.key}: {problem.message}" for problem in error.problems))
            continue
        points.add(values, scenario, point_key(scenario, settings))
        if len(mistakes) > MOST_PROBLEMS:
            break
    if mistakes:
        raise InputError(f"sweep {sweep.name}", list(mistakes))
    return points


def point_key(scenario: Scenario, settings: PlaySettings) -> str:
    """The hash of everything that a point's row depends on: scenario, settings, the code, the columns."""
    parts = {
        name: _digest_of(part) if isinstance(part, Description) else part
        for name, part in scenario
        if name not in NO_EFFECT
    }
    return key_of({"scenario": parts, "code": code_digest(), "columns": _digest_of_words(COLUMNS)} | vars(settings))


_digest_of = PerObject[Description, str](lambda part: key_of(part.model_dump(mode="json")))


@cache
def _digest_of_words(words: tuple[str, ...]) -> str:
    return key_of({"words": words})


def play_batches(batches: list[PointBatch], settings: PlaySettings, code: str) -> list[list[ResultRow]]:
    """The rows of every batch: what a worker does. Raises ClustersimError where its clustersim is another one."""
    if code_digest() != code:
        raise ClustersimError(
            "a worker has another clustersim than the sweep that it is asked to play: its files differ. Install the "
            "same everywhere, and leave it alone while a sweep runs"
        )
    return [simulate_points(batch.scenarios(), settings) for batch in batches]


def simulate_points(scenarios: Sequence[Scenario], settings: PlaySettings) -> list[ResultRow]:
    """The rows of some points of one structure. Where they can't be played at once, one by one."""
    if len(scenarios) > 1:
        try:
            results = simulate_runs(scenarios, engine=settings.engine, intervals=settings.intervals)
            return [result_row(result) for result in results]
        except Exception:  # whose fault it is, is said of the points one by one
            pass
    return [simulate_point(scenario, settings) for scenario in scenarios]


def simulate_point(scenario: Scenario, settings: PlaySettings) -> ResultRow:
    """The row of one point; one that cannot run, or that fails, says why."""
    try:
        return result_row(_simulate(scenario, settings), searched=scenario.layout == "search")
    except InfeasibleError as error:
        return refused_row("infeasible", str(error), scenario)
    except ClustersimError as error:
        return refused_row("failed", str(error), scenario)
    except Exception as error:  # one point must not take the others with it; the row carries the bug home
        return refused_row("failed", f"internal error: {type(error).__name__}: {error}", scenario)


def _simulate(scenario: Scenario, settings: PlaySettings) -> RunResult:
    if scenario.layout != "search":
        return simulate_run(scenario, engine=settings.engine, intervals=settings.intervals)
    from clustersim.studies.layouts.search import search_layouts

    best = search_layouts(scenario, top=1).best[0]
    if settings == PlaySettings():
        return best
    return simulate_run(best.step.scenario, engine=settings.engine, intervals=settings.intervals)
