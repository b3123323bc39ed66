"""Layouts to choose from: every combination of sizes and choices, in arrays; what fits, with bounds from below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from itertools import product
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from clustersim.engines.graph import Floats
from clustersim.inputs.layout import Layout, Overlap, ResolvedLayout, Schedule, Sharding
from clustersim.inputs.model import Model
from clustersim.inputs.resolve import last_stage_load, resolve_training, spread_layers, usual_overlap
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.where import satisfies
from clustersim.schedules import build_program
from clustersim.schedules.program import Program, TaskType
from clustersim.schedules.registry import passes_of, traits_of, usual_schedule
from clustersim.simulation.memory.error import largest_peak, memory_spread
from clustersim.simulation.segment.layer_prices import PricedLayers, price_layers
from clustersim.simulation.segment.stages import Contents, Stage, assemble_stages
from clustersim.simulation.step.side_by_side import Columns
from clustersim.simulation.step.step import passes_played, step_machine
from clustersim.simulation.step.task_prices import TaskPrices
from clustersim.studies.layouts.bounds import step_bound
from clustersim.studies.layouts.screening import Lane, Screening
from clustersim.workload.imbalance import busiest_rank
from clustersim.workload.layers.registry import layer_problems
from clustersim.workload.passes import Recomputation
from clustersim.workload.shape import Shape, shape_of
from clustersim.workload.sizes import Sizes

LONGEST_PIPELINE = 64
VIRTUAL_STAGES = (1, 2, 3, 4, 5, 6, 8, 10, 12)
MICRO_BATCHES = (1, 2, 4, 8)
POWERS = tuple(2**exponent for exponent in range(12))
LONG = 8192  # tokens that a context rank usually has, of longer sequences. Source: Llama 3, arXiv 2407.21783, table 4


@dataclass(frozen=True)
class Space:
    """What is tried beside tensor, pipeline, virtual stages, data, experts and recomputation."""

    contexts: tuple[int, ...] = (1,)  # and more where sequences are long
    micro_batches: tuple[int, ...] = MICRO_BATCHES
    shardings: tuple[Sharding, ...] = ()  # none given: what the stack does
    schedules: tuple[Schedule, ...] = ("1f1b",)  # of one chunk a device; the first without a pipeline; else interleaved
    where: str | None = None  # a condition on the layout
    headroom: float = 0.5  # probability with which what is found must fit in memory
    most_bytes: float | None = None  # that a device may hold, by prediction


def budget_bytes(scenario: Scenario, space: Space) -> float:
    """Bytes of the largest predicted peak that a space takes: one that fits as likely as is asked for."""
    spread = memory_spread(scenario.stack.name, experts=scenario.model.moe is not None)
    most = largest_peak(scenario.cluster.accelerator.memory.usable_bytes, spread, space.headroom)
    return most if space.most_bytes is None else min(most, space.most_bytes)


USUAL = Space()
EVERYTHING = Space(
    contexts=(1, 2, 4, 8, 16),
    micro_batches=tuple(range(1, 17)),
    shardings=get_args(Sharding),
    schedules=("1f1b", "gpipe", "zb-h1"),
)


@dataclass(frozen=True)
class Structure:
    """What all layouts of a family have in common."""

    pipeline: int
    chunks: int
    schedule: Schedule
    mode: Recomputation
    sharding: Sharding


@dataclass(frozen=True, eq=False)
class Grid:
    """Sizes that layouts of a family differ by, [points] each."""

    tensor: Floats
    context: Floats
    expert: Floats
    expert_tensor: Floats
    micro_batch: Floats

    def __len__(self) -> int:
        return len(self.tensor)

    def __getitem__(self, some: NDArray[np.bool_] | slice) -> Grid:
        return Grid(*(size[some] for size in vars(self).values()))


@dataclass(frozen=True, eq=False)
class Family:
    """The candidates of one structure that should fit in memory, and why the others are none."""

    structure: Structure
    grid: Grid
    data: Floats  # [points]
    least_s: Floats  # [points] seconds that the passes of a step take at least
    bound_bytes: Floats  # [points] bytes that the fullest device holds at least
    bound: Callable[[], Floats]  # works out `bound_s`
    rejected: Counter[str] = field(default_factory=Counter)
    least_bytes: float = np.inf  # of the leanest layout that divides, on its fullest device
    experts: bool = False

    @classmethod
    def none(cls, grid: Grid, rejected: Counter[str], least_bytes: float = np.inf) -> Family:
        """No candidates, and why."""
        nothing = np.zeros(0)
        structure = Structure(1, 1, "1f1b", "none", "none")
        return cls(structure, grid[:0], nothing, nothing, nothing, lambda: nothing, rejected, least_bytes)

    @cached_property
    def bound_s(self) -> Floats:
        """Seconds [points] that a step takes at least, all that is known of it counted."""
        return np.maximum(self.least_s, self.bound())

    def layout(self, point: int) -> Layout:
        """The layout of one point."""
        structure, grid = self.structure, self.grid
        return Layout(
            tensor=int(grid.tensor[point]),
            pipeline=structure.pipeline,
            virtual_stages=structure.chunks,
            data=int(self.data[point]),
            context=int(grid.context[point]),
            expert=int(grid.expert[point]),
            expert_tensor=int(grid.expert_tensor[point]) if self.experts else None,
            micro_batch=int(grid.micro_batch[point]),
            recompute=structure.mode,
            schedule=structure.schedule,
            sharding=structure.sharding,
        )


MEMORY = "out of memory"
HARMFUL = frozenset({"context", "expert", "expert_tensor"})  # sizes that must divide others in all arithmetic


def candidate_families(scenario: Scenario, space: Space = USUAL) -> Iterator[Family]:
    """Every structure that the devices and the model's layers allow, with its layouts that fit in memory."""
    training = resolve_training(scenario.training, scenario.stack)
    scenario = scenario.model_copy(update={"training": training})
    shardings = space.shardings or (scenario.stack.defaults.sharding,)
    orders = _by_passes(scenario, space)
    pairs = any(TaskType.FORWARD_BESIDE in passes for passes in orders)
    for grid in _grids(scenario, space, pairs):
        for mode, (passes, alike) in product(_modes(scenario), orders.items()):
            for pieces, some in _pieces(scenario, grid, mode, passes, shardings):
                yield from Pipelines(scenario, space, grid, pieces, mode, some, alike).families()


def _by_passes(scenario: Scenario, space: Space) -> dict[frozenset[TaskType], list[tuple[int, int, Schedule]]]:
    """Pipeline stages, chunks and schedules, by the passes that they run: those are priced once."""
    orders: dict[frozenset[TaskType], list[tuple[int, int, Schedule]]] = {}
    schedules = dict.fromkeys((*space.schedules, usual_schedule(chunks=max(VIRTUAL_STAGES))))
    for (pipeline, chunks), schedule in product(_pipelines(scenario), schedules):
        traits = traits_of(schedule)
        allowed = chunks in traits.chunks and traits.stages.take(pipeline)
        if allowed and (pipeline > 1 or schedule == space.schedules[0]):
            beside = "expert" in _overlap(scenario, pipeline, chunks, schedule)
            orders.setdefault(passes_of(schedule, beside=beside), []).append((pipeline, chunks, schedule))
    return orders


def _overlap(scenario: Scenario, pipeline: int, chunks: int, schedule: Schedule) -> frozenset[Overlap]:
    """What is hidden behind compute, as resolution has it."""
    return usual_overlap(scenario.stack.defaults.overlap, scenario.model, schedule, pipeline, chunks)


def _modes(scenario: Scenario) -> list[Recomputation]:
    """Selective recomputation where it drops anything: the attention core's, latents expanded, experts' products.

    Software that recomputes by operations knows no other selection.
    """
    model = scenario.model
    if scenario.stack.defaults.recompute == "operations":
        return ["none", "operations", "full"]
    selected = scenario.stack.selective_recompute
    latent_up = model.latent is not None and "latent_up" in selected
    activation = model.moe is not None and "expert_activation" in selected
    drops = "core_attention" in selected or latent_up or activation
    return ["none", "selective", "full"] if drops else ["none", "full"]


def _pipelines(scenario: Scenario) -> Iterator[tuple[int, int]]:
    """Pipeline stages and chunks a stage. Embedding and head may have a virtual stage of their own each."""
    most, devices = scenario.model.layers + 2, scenario.cluster.devices
    for pipeline in range(1, LONGEST_PIPELINE + 1):
        if devices % pipeline == 0:
            chunk_counts = VIRTUAL_STAGES if pipeline > 1 else (1,)
            yield from ((pipeline, chunks) for chunks in chunk_counts if pipeline * chunks <= most)


def _grids(scenario: Scenario, space: Space, pairs: bool) -> Iterator[Grid]:
    """All combinations of sizes; those whose layers hold other operations in grids of their own.

    `pairs`: passes run beside each other too, by turns that end where one waits for others, so not for itself alone.
    """
    model, training = scenario.model, scenario.training
    tensors = [size for size in POWERS if size <= scenario.cluster.node.domain]
    length = training.sequence_length
    contexts = [size for size in POWERS if size in space.contexts or size <= length // LONG]
    contexts = [size for size in contexts if length % size == 0]
    kind = scenario.stack.defaults.context_kind
    cuts = [
        (tensor, context)
        for tensor, context in product(tensors, contexts)
        if not layer_problems(Layout(tensor=tensor, context=context, context_kind=kind), model)
    ]
    experts = [size for size in POWERS if model.moe.experts % size == 0] if model.moe else [1]
    micro_batches = [size for size in space.micro_batches if training.global_batch % size == 0]
    points = [
        (tensor, context, expert, expert_tensor, micro_batch)
        for (tensor, context), expert, micro_batch in product(cuts, experts, micro_batches)
        for expert_tensor in ({1, tensor} if model.moe else {tensor})
    ]
    grid = Grid(*np.array(sorted(points), dtype=float).T)
    even = np.broadcast_to(np.asarray(busiest_rank(model, training, grid.expert)) == 1.0, len(grid))
    waits = (grid.context, grid.expert, grid.expert_tensor) if pairs else ()
    structures = np.array([even, *(size == 1.0 for size in (grid.tensor, *waits))])  # [words, points]
    for structure in np.unique(structures, axis=1).T[::-1]:
        yield grid[(structures == structure[:, np.newaxis]).all(axis=0)]


def _columns(scenario: Scenario, grid: Grid, structure: Structure, data: Floats, first: int = 0) -> Columns:
    """The layouts of a grid side by side, as steps have scenarios; the one at place `first` stands for all."""
    defaults = scenario.stack.defaults
    layout = ResolvedLayout(
        tensor=int(grid.tensor[first]),
        context=int(grid.context[first]),
        expert=int(grid.expert[first]),
        expert_tensor=int(grid.expert_tensor[first]),
        micro_batch=int(grid.micro_batch[first]),
        data=int(data[first]),
        pipeline=structure.pipeline,
        virtual_stages=structure.chunks,
        schedule=structure.schedule,
        sharding=structure.sharding,
        recompute=structure.mode,
        overlap=_overlap(scenario, structure.pipeline, structure.chunks, structure.schedule),
        dispatcher=scenario.stack.dispatcher,
        context_kind=defaults.context_kind,
        sequence_parallel=bool(grid.tensor[0] > 1.0) and defaults.sequence_parallel,
        stage_layers=_stage_layers(scenario.model, structure),
    )
    return Columns(scenario.model_copy(update={"layout": layout}), Sizes(**vars(grid), data=data), len(grid))


def _stage_layers(model: Model, structure: Structure) -> tuple[int, ...]:
    """Layers of each virtual stage, as resolution spreads them: bounds hold for what is played."""
    return spread_layers(model.layers, structure.pipeline * structure.chunks, last_stage_load(model))


def _pieces(
    scenario: Scenario,
    grid: Grid,
    mode: Recomputation,
    passes: frozenset[TaskType],
    shardings: Sequence[Sharding],
) -> Iterator[tuple[PricedLayers, list[Sharding]]]:
    """Every kind of layer priced for all points, once for all ways of sharding that it does not depend on.

    What a layer takes does not depend on pipeline and replicas either.
    """
    data, shapes = np.ones(len(grid)), list[Shape]()
    alike: list[list[Sharding]] = []
    for sharding in shardings:
        columns = _columns(scenario, grid, Structure(1, 1, "1f1b", mode, sharding), data)
        described = columns.scenario
        shape = shape_of(described.model, described.training, described.resolved_layout, described.stack, columns.sizes)
        same = [number for number, other in enumerate(shapes) if _words(other) == _words(shape)]
        if same:
            alike[same[0]].append(sharding)
        else:
            shapes.append(shape)
            alike.append([sharding])
    for shape, together in zip(shapes, alike, strict=True):
        columns = _columns(scenario, grid, Structure(1, 1, "1f1b", mode, together[0]), data)
        machine = step_machine(columns)
        yield price_layers(scenario.model, shape, machine, [mode], len(grid), operations=passes), together


def _words(shape: Shape) -> list[object]:
    """What of a shape is no array: arrays are the grid's own."""
    return [value for value in vars(shape).values() if not isinstance(value, np.ndarray)]


@dataclass(frozen=True, eq=False)
class Pipelines:
    """All pipelines of the same pieces, and all ways of sharding their states that pieces don't depend on."""

    scenario: Scenario
    space: Space
    grid: Grid
    pieces: PricedLayers
    mode: Recomputation
    shardings: Sequence[Sharding]
    alike: Sequence[tuple[int, int, Schedule]]  # stages, chunks, schedule

    def families(self) -> Iterator[Family]:
        """One for every pipeline and way of sharding; who has no replicas sends nothing, and is apart."""
        rejected, possible, lanes = Counter[str](), list[NDArray[np.bool_]](), list[Lane]()
        known: dict[Contents, Stage] = {}
        for pipeline, chunks, schedule in self.alike:
            structure = Structure(pipeline, chunks, schedule, self.mode, self.shardings[0])
            data = self.scenario.cluster.devices / (self.grid.tensor * self.grid.context * pipeline)
            micro_batches = self.scenario.training.global_batch / (data * self.grid.micro_batch)
            dropped, some = _dividing(self.grid, structure, data, micro_batches)
            rejected += dropped
            if not some.any():
                continue
            data, micro_batches = np.where(some, data, 1.0), np.where(some, micro_batches, 1.0)
            stages = assemble_stages(self.pieces, _stage_layers(self.scenario.model, structure), self.mode, known)
            program = _program(schedule, pipeline, chunks, self.scenario.stack.blocking_transfers)
            described = _columns(self.scenario, self.grid, structure, data).scenario
            lanes.append(Lane(program, stages, data, micro_batches, described))
            possible.append(some)
        yield Family.none(self.grid, rejected)
        if lanes:
            sizes = Sizes(**vars(self.sound(np.any(possible, axis=0))), data=lanes[0].data)
            screening = Screening(lanes, sizes, passes_played(lanes[0].scenario.resolved_layout))
            least_s = screening.least_seconds()
            for sharding in self.shardings:
                yield from self._sharded(screening, sharding, possible, least_s)

    def _sharded(
        self, screening: Screening, sharding: Sharding, possible: Sequence[NDArray[np.bool_]], least_s: Floats
    ) -> Iterator[Family]:
        held, budget = self._held_bytes(screening, sharding), budget_bytes(self.scenario, self.space)
        for lane, some, seconds, bytes_ in zip(screening.lanes, possible, least_s, held, strict=True):
            layout = lane.scenario.resolved_layout
            structure = Structure(layout.pipeline, layout.virtual_stages, layout.schedule, self.mode, sharding)
            allowed = some & _meets(self.scenario, self.space, self.grid, structure, lane.data)
            fits = allowed & (bytes_ <= budget)
            rejected = Counter(
                {"condition not met": int((some & ~allowed).sum()), MEMORY: int((allowed & ~fits).sum())}
            )
            least = float(bytes_[allowed].min(initial=np.inf))
            yield Family.none(self.grid, rejected, least)
            for alone in (True, False):
                chosen = fits & ((lane.data * self.grid.context == 1.0) == alone)
                if chosen.any():
                    yield Family(
                        structure,
                        self.grid[chosen],
                        lane.data[chosen],
                        seconds[chosen],
                        bytes_[chosen],
                        partial(self._bound, structure, lane, chosen),
                        experts=self.scenario.model.moe is not None,
                    )

    def _held_bytes(self, screening: Screening, sharding: Sharding) -> Floats:
        """[lanes, points]: of lanes together whose states are cut by the same words."""
        held = np.empty((len(screening.lanes), len(self.grid)))
        words: dict[tuple[bool, int], list[int]] = {}
        for number, lane in enumerate(screening.lanes):
            words.setdefault((lane.program.stages > 1, lane.program.placement.copies), []).append(number)
        for lanes in words.values():
            described = screening.lanes[lanes[0]].scenario
            layout = described.resolved_layout.model_copy(update={"sharding": sharding})
            held[lanes] = screening.held_bytes(described.model_copy(update={"layout": layout}), lanes)
        return held

    def _bound(self, structure: Structure, lane: Lane, chosen: NDArray[np.bool_]) -> Floats:
        """Seconds [chosen points] that a step takes at least; the other points have sizes that do no harm."""
        alone = bool((lane.data * self.grid.context)[chosen][0] == 1.0)
        data = np.where(chosen, lane.data, 1.0 if alone else 2.0)
        micro_batches = np.where(chosen, lane.micro_batches, 1.0)
        place = int(np.flatnonzero(chosen)[0])
        columns = _columns(self.scenario, self.sound(chosen), structure, data, place)
        prices = TaskPrices(columns, step_machine(columns), lane.stages, lane.program)
        return step_bound(prices, micro_batches)[chosen]

    def sound(self, some: NDArray[np.bool_]) -> Grid:
        """The grid, with sizes of the other points that divide whatever they must."""
        sizes = vars(self.grid).items()
        return Grid(**{name: np.where(some, size, 1.0) if name in HARMFUL else size for name, size in sizes})


@lru_cache(maxsize=256)
def _program(schedule: str, pipeline: int, chunks: int, blocking: bool) -> Program:
    """The smallest program of a schedule: it names all kinds of passes and the places of chunks."""
    return build_program.__wrapped__(
        schedule,
        pipeline,
        max(2, traits_of(schedule).micro_batches(pipeline).least),
        chunks,
        blocking_transfers=blocking,
        gather="none",
        reduce=False,
        tied_embeddings=False,
        synchronous_optimizer=False,
    )


def _dividing(
    grid: Grid, structure: Structure, data: Floats, micro_batches: Floats
) -> tuple[Counter[str], NDArray[np.bool_]]:
    """Which sizes divide devices, batch and expert groups, [points]; the others counted by the first that does not."""
    checks = {
        "does not divide the devices": (data >= 1) & (data % 1 == 0),
        "does not divide the batch": (micro_batches >= 1) & (micro_batches % 1 == 0),
        "micro-batches that the schedule can't take": traits_of(structure.schedule)
        .micro_batches(structure.pipeline)
        .take(micro_batches),
        "does not divide into expert groups": (grid.tensor * grid.context * data) % (grid.expert * grid.expert_tensor)
        == 0,
    }
    rejected, left = Counter[str](), np.ones(len(grid), dtype=np.bool_)
    for reason, holds in checks.items():
        rejected[reason] = int((left & ~holds).sum())
        left = left & holds
    return rejected, left


def _meets(scenario: Scenario, space: Space, grid: Grid, structure: Structure, data: Floats) -> NDArray[np.bool_]:
    """Which points meet the space's condition, [points]."""
    if space.where is None:
        return np.ones(len(grid), dtype=np.bool_)
    values = vars(grid) | {
        "data": data,
        "pipeline": structure.pipeline,
        "virtual_stages": structure.chunks,
        "schedule": structure.schedule,
        "sharding": structure.sharding,
        "devices": scenario.cluster.devices,
    }
    return np.broadcast_to(satisfies(space.where, values), len(grid))
