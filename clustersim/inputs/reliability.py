"""What goes wrong in a long run, and what is done about it: failures, checkpoints, restarts, spares, slow nodes.

A failure profile of the catalog (`clustersim show failures`) or a mapping in a scenario's `reliability`. Whatever isn't
said doesn't happen, or takes no time.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, StringConstraints, ValidationInfo, field_validator, model_validator

from clustersim.inputs.base import Description, Follows, refusal
from clustersim.inputs.plausible import Plausible
from clustersim.inputs.units import Bytes, BytesPerSecond, Fraction, Rate, Seconds

Span = Annotated[Seconds, Field(gt=0)]
Positive = Annotated[BytesPerSecond, Field(gt=0)]
STORAGE = Plausible(10e6, 100e12)  # from one disk to the largest parallel file systems
Cause = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


class Infant(Description):
    """Infant mortality: new machines fail more often, which wears off."""

    factor: Annotated[float, Field(ge=1, description="times the steady rate when the run starts")]
    decay: Annotated[Span, Field(description="the excess falls by e in this time")]


class Failure(Description):
    """One cause of unexpected interruptions."""

    rate: Annotated[Rate, Field(description="failures in a time, of one device, one node or the whole job")]
    of: Annotated[Literal["device", "node", "job"], Field(description="what the rate is of")]
    infant: Annotated[Infant | None, Field(description="a higher rate at first")] = None
    replaces: Annotated[Fraction, Field(description="share that takes a node out for repair")] = 0.0
    silent: Annotated[
        bool, Field(description="corrupts results from the failure on; `detection` later it is noticed")
    ] = False
    idle: Annotated[bool, Field(description="also happens while the job stands still")] = True
    detection: Annotated[Seconds | None, Field(description="until it is noticed; the profile's if absent")] = None
    diagnosis: Annotated[Seconds | None, Field(description="until the culprit is known; the profile's if absent")] = (
        None
    )


class MemoryTier(Description):
    """Checkpoints in the memory of hosts, between those in storage."""

    interval: Annotated[Span, Field(description="training time between them")]
    blocking: Annotated[
        Seconds | None, Field(description="training stops for it; the copy from device to host if absent")
    ] = None
    loading: Annotated[Seconds, Field(description="to load it at a restart")]
    survives: Annotated[Fraction, Field(description="share of failures after which it can be loaded")]


class Checkpoint(Description):
    """Checkpoints in storage: when, how large, how fast."""

    interval: Annotated[Span | Literal["best"], Field(description="training time between them; best: Daly's optimum")]
    mode: Annotated[
        Literal["synchronous", "asynchronous"],
        Field(description="synchronous: training waits for the write; asynchronous: for the copy to the host"),
    ] = "synchronous"
    blocking: Annotated[
        Seconds | None,
        Follows(("mode",), "unset", "as the mode has it"),
        Field(description="training stops for it; by mode if absent"),
    ] = None
    write: Annotated[
        Seconds | None,
        Follows(("bandwidth", "node_bandwidth"), "unset", "size over bandwidth"),
        Follows(("size",), "in proportion"),
        Field(description="until it is safe; size over bandwidth if absent"),
    ] = None
    size: Annotated[
        Bytes | None,
        Follows(("bytes_per_parameter",), "unset", "bytes_per_parameter x parameters"),
        Field(gt=0, description="in all; bytes_per_parameter x parameters if absent"),
    ] = None
    bytes_per_parameter: Annotated[
        float, Field(gt=0, description="16-bit weights, fp32 master copy and Adam's two moments: 2 + 12")
    ] = 14.0
    bandwidth: Annotated[Positive | None, STORAGE, Field(description="of the whole storage")] = None
    share: Annotated[Fraction, Field(gt=0, description="of the storage's bandwidth that is left for this job")] = 1.0
    node_bandwidth: Annotated[Positive | None, STORAGE, Field(description="most that one node writes or reads")] = None
    slowdown: Annotated[Fraction, Field(lt=1, description="share of its rate that training loses during a write")] = 0.0
    memory: Annotated[MemoryTier | None, Field(description="a tier in the hosts' memory")] = None

    @model_validator(mode="after")
    def _time_is_known(self) -> Checkpoint:
        if self.write is None and self.bandwidth is None and self.node_bandwidth is None:
            raise refusal("needs `write`, `bandwidth` or `node_bandwidth`: how long a checkpoint takes")
        return self


class Restart(Description):
    """What a restart takes once the culprit is known."""

    scheduling: Annotated[Seconds, Field(description="until processes start")] = 0.0
    initialisation: Annotated[Seconds, Field(description="of processes and their groups, whatever their number")] = 0.0
    initialisation_per_device: Annotated[Seconds, Field(description="and what each device adds")] = 0.0
    loading: Annotated[
        Seconds | None, Field(description="of the checkpoint; its size over the storage's bandwidth if absent")
    ] = None
    manual_share: Annotated[Fraction, Field(description="share of failures that wait for a person")] = 0.0
    manual_time: Annotated[Seconds, Field(description="how long these wait, on average")] = 0.0


class Maintenance(Description):
    """Planned interruptions: a checkpoint, then a stop."""

    interval: Annotated[Span, Field(description="from one to the next")]
    duration: Annotated[Seconds, Field(description="of the stop, before the restart")]


class Stalls(Description):
    """Data that comes late: training waits and goes on where it was."""

    rate: Annotated[Rate, Field(description="of the whole job, while it trains")]
    duration: Annotated[Seconds, Field(description="of each, on average")]


class Stragglers(Description):
    """Nodes that become slow in the course of the run, and hold everybody up."""

    rate: Annotated[Rate, Field(description="of one node")]
    factor: Annotated[float, Field(ge=1, description="how many times as long a slow node computes")]
    drift: Annotated[float, Field(ge=0, description="what a day adds to the factor")] = 0.0
    lasts: Annotated[Span | None, Field(description="mean time until it recovers by itself; absent: never")] = None
    detection: Annotated[
        Span | None, Field(description="mean time until it is noticed and replaced; absent: never")
    ] = None


class Reliability(Description):
    """A failure profile: what interrupts and slows a run, and how it goes on."""

    name: Annotated[str, Field(min_length=1, description="as people write it")] = "own"
    failures: Annotated[
        dict[Cause, Failure],
        Follows(("detection", "diagnosis"), "kept"),
        Field(description="unexpected interruptions by cause"),
    ] = {}
    rate_factor: Annotated[float, Field(ge=0, description="times every failure rate: what if it were worse?")] = 1.0
    detection: Annotated[Seconds, Field(description="until a failure is noticed")] = 0.0
    diagnosis: Annotated[Seconds, Field(description="until the culprit is known")] = 0.0
    restart: Annotated[Restart, Follows(("checkpoint",), "kept"), Field(description="what a restart takes")] = Restart()
    checkpoint: Annotated[Checkpoint | None, Field(description="absent: a failure loses everything")] = None
    spares: Annotated[
        NonNegativeInt | None, Field(description="nodes that stand by; absent: one is always at hand, and not paid")
    ] = None
    repair: Annotated[
        Span | None, Field(validate_default=True, description="mean time until a node taken out is back, as a spare")
    ] = None
    without_spares: Annotated[
        Literal["wait", "shrink"], Field(description="wait for a repaired node, or go on with fewer replicas")
    ] = "wait"
    maintenance: Annotated[Maintenance | None, Field(description="planned interruptions")] = None
    stalls: Annotated[Stalls | None, Field(description="of the data")] = None
    stragglers: Annotated[Stragglers | None, Field(description="nodes that become slow")] = None
    daily_variation: Annotated[
        Fraction, Field(lt=1, description="share of throughput lost at the worst hour of the day (heat)")
    ] = 0.0
    idle_power: Annotated[
        Fraction, Field(description="an accelerator's power while the job stands still, over its power while it trains")
    ] = 1.0

    @field_validator("repair")
    @classmethod
    def _counted_spares_come_back(cls, repair: float | None, info: ValidationInfo) -> float | None:
        if repair is None and info.data.get("spares") is not None:
            raise refusal("required with `spares`: the mean time until a node taken out is back")
        return repair
