"""What the run clock plays: how much work there is, what interrupts it how often, and how long everything takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from clustersim.inputs.hardware import Cluster
from clustersim.inputs.model import Model
from clustersim.inputs.reliability import Checkpoint, Failure, Maintenance, Reliability, Stalls
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.run_clock.checkpoint_interval import best_interval
from clustersim.simulation.run_clock.cycle import Cycle
from clustersim.simulation.run_clock.slow_nodes import SlowNodes
from clustersim.workload.parameters import total_parameters

Phase = tuple[str, float]  # what is done, and how many seconds it takes


@dataclass(frozen=True)
class InterruptionCause:
    """One cause of interruptions, over the whole job."""

    name: str
    rate: float  # a second, in the long run
    infant_count: float  # more than that, over an endless run, as machines are new
    infant_decay: float  # seconds
    replaces: float  # share that takes a node out
    on_a_node: bool
    idle: bool  # also while the job stands still
    silent_s: float | None  # noticed so much later; None: at once
    phases: tuple[Phase, ...]  # before the restart

    def excess(self, seconds: float) -> float:
        """Failures beyond the steady rate in so many seconds from the start."""
        return self.infant_count * -math.expm1(-seconds / self.infant_decay)


@dataclass(frozen=True)
class JobNodes:
    """Nodes of the job, those that stand by, and what fewer nodes are good for."""

    nodes: int = 1
    replicas: int = 1
    replica_nodes: float = 1.0
    spares: int | None = None  # None: one is always at hand
    repair_s: float = math.inf
    shrink: bool = False

    def pace(self, missing: int) -> float:
        """Throughput with so many nodes missing, over that with all: whole replicas that are left."""
        if not missing:
            return 1.0
        return min(self.replicas, math.floor((self.nodes - missing) / self.replica_nodes + 1e-9)) / self.replicas


@dataclass(frozen=True)
class Recovery:
    """How the job comes back."""

    restart_s: float = 0.0  # scheduling and initialisation
    loading_s: float = 0.0
    memory_loading_s: float = 0.0
    memory_share: float = 0.0  # of failures after which the hosts' memory has the checkpoint
    manual_share: float = 0.0
    manual_s: float = 0.0  # mean


@dataclass(frozen=True)
class RunPlan:
    """Everything that the run clock needs to know, in seconds of the whole job."""

    work_s: float  # of training at full pace, uninterrupted
    sources: tuple[InterruptionCause, ...] = ()
    cycle: Cycle = field(default_factory=Cycle)
    recovery: Recovery = field(default_factory=Recovery)
    fleet: JobNodes = field(default_factory=JobNodes)
    maintenance: Maintenance | None = None
    stalls: Stalls | None = None
    slow_nodes: SlowNodes | None = None
    daily_variation: float = 0.0
    idle_power: float = 1.0

    @property
    def saving_s(self) -> float:
        """Seconds until a checkpoint is safe if everything waits for it."""
        return self.cycle.blocking + self.cycle.write


def plan_of(scenario: Scenario, work_s: float, step_time_s: float, slow_nodes: SlowNodes | None = None) -> RunPlan:
    """The plan of a scenario with a failure profile whose training takes `work_s` undisturbed."""
    profile, cluster, layout = scenario.reliability or Reliability(), scenario.cluster, scenario.resolved_layout
    sources = tuple(_source(name, failure, profile, cluster) for name, failure in profile.failures.items())
    rate = sum(source.rate for source in sources)
    kept, restart = profile.checkpoint, profile.restart
    loading = restart.loading
    if loading is None:
        loading = 0.0 if kept is None else write_seconds(kept, scenario.model, cluster)
    memory = kept.memory if kept is not None else None
    return RunPlan(
        work_s=work_s,
        sources=sources,
        cycle=Cycle() if kept is None else cycle_of(kept, scenario.model, cluster, rate, step_time_s),
        recovery=Recovery(
            restart_s=restart.scheduling + restart.initialisation + restart.initialisation_per_device * cluster.devices,
            loading_s=loading,
            memory_loading_s=memory.loading if memory else loading,
            memory_share=memory.survives if memory else 0.0,
            manual_share=restart.manual_share,
            manual_s=restart.manual_time,
        ),
        fleet=JobNodes(
            nodes=cluster.nodes,
            replicas=layout.data,
            replica_nodes=cluster.nodes / layout.data,
            spares=profile.spares,
            repair_s=profile.repair or math.inf,
            shrink=profile.without_spares == "shrink",
        ),
        maintenance=profile.maintenance,
        stalls=profile.stalls,
        slow_nodes=slow_nodes,
        daily_variation=profile.daily_variation,
        idle_power=profile.idle_power,
    )


def _source(name: str, failure: Failure, profile: Reliability, cluster: Cluster) -> InterruptionCause:
    """A cause over all devices or nodes."""
    rate = failure.rate * profile.rate_factor * {"device": cluster.devices, "node": cluster.nodes, "job": 1}[failure.of]
    detection = profile.detection if failure.detection is None else failure.detection
    diagnosis = profile.diagnosis if failure.diagnosis is None else failure.diagnosis
    infant = failure.infant
    return InterruptionCause(
        name=name,
        rate=rate,
        infant_count=rate * (infant.factor - 1.0) * infant.decay if infant else 0.0,
        infant_decay=infant.decay if infant else 1.0,
        replaces=failure.replaces,
        on_a_node=failure.of != "job",
        idle=failure.idle and not failure.silent,
        silent_s=detection if failure.silent else None,
        phases=(("detection", 0.0 if failure.silent else detection), ("diagnosis", diagnosis)),
    )


def cycle_of(kept: Checkpoint, model: Model, cluster: Cluster, rate: float, step_time_s: float) -> Cycle:
    """The pattern of checkpoints. `rate`: failures a second; an interval is at least a step, and at least a write.

    Synchronous checkpoints block for the write; asynchronous ones for the copy from device to host memory.
    """
    write = write_seconds(kept, model, cluster)
    copy = checkpoint_bytes(kept, model) / cluster.devices / cluster.node.host_bandwidth
    background = kept.mode == "asynchronous"
    blocking = kept.blocking if kept.blocking is not None else copy if background else write
    later = write if background else max(0.0, write - blocking)
    memory = kept.memory
    if kept.interval == "best":
        share = 1.0 - memory.survives if memory else 1.0
        cost = blocking + kept.slowdown * later
        interval = float(best_interval(cost, 1.0 / (rate * share))) if rate * share > 0 else math.inf
    else:
        interval = kept.interval
    interval = max(interval, later, step_time_s)
    snapshots, pause = 1, 0.0
    if memory is not None and memory.interval < interval < math.inf:
        pause = copy if memory.blocking is None else memory.blocking
        snapshots = max(1, round(interval / memory.interval), math.ceil(later / memory.interval))
        interval = memory.interval
    pattern = Cycle(interval, max(blocking, pause), later, snapshots, pause)
    if not pattern.saves or not kept.slowdown:
        return pattern
    return replace(pattern, pace=1.0 - kept.slowdown * min(1.0, later / pattern.trained_a_cycle))


def checkpoint_bytes(kept: Checkpoint, model: Model) -> float:
    """Bytes of a checkpoint of the whole model: stated, or bytes a parameter x parameters."""
    return kept.size if kept.size is not None else kept.bytes_per_parameter * total_parameters(model)


def write_seconds(kept: Checkpoint, model: Model, cluster: Cluster) -> float:
    """Seconds to write or read a checkpoint: stated, or size / min(share x storage's bandwidth, nodes x node's)."""
    if kept.write is not None:
        return kept.write
    shared = kept.share * kept.bandwidth if kept.bandwidth is not None else math.inf
    own = cluster.nodes * kept.node_bandwidth if kept.node_bandwidth is not None else math.inf
    return checkpoint_bytes(kept, model) / min(shared, own)
