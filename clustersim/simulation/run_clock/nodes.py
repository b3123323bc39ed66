"""Nodes that are out, those that stand by, and repair."""

from __future__ import annotations

from collections.abc import Generator

import simpy

from clustersim.simulation.run_clock.plan import JobNodes

Events = Generator[simpy.Event, object, None]


class NodePool:
    """Who is missing from the job, and the spares that take their place.

    Nobody queues for a spare: who waits looks again whenever a node is back. (A request to a resource of SimPy keeps
    its place when the process that made it is interrupted, and would swallow a node later.)
    """

    def __init__(self, env: simpy.Environment, fleet: JobNodes) -> None:
        self.env = env
        self.fleet = fleet
        self.missing = 0
        self.spares = fleet.spares
        self.came_back = env.event()

    @property
    def pace(self) -> float:
        """Throughput with those that are there, over that with all."""
        return self.fleet.pace(self.missing)

    @property
    def at_hand(self) -> bool:
        """Whether a node can be replaced at once."""
        return self.spares is None or self.spares > 0

    @property
    def short(self) -> bool:
        """Whether the job can't go on without another node."""
        return self.missing > 0 and not (self.fleet.shrink and self.pace > 0.0)

    def take_out(self, repair_s: float) -> None:
        """A node leaves the job; it comes back as a spare when it is repaired."""
        self.missing += 1
        if self.spares is not None:
            repair = self.env.timeout(repair_s)
            assert repair.callbacks is not None
            repair.callbacks.append(self._repaired)

    def _repaired(self, _: simpy.Event) -> None:
        assert self.spares is not None
        self.spares += 1
        if self.came_back.callbacks:  # somebody waits
            self.came_back.succeed()
            self.came_back = self.env.event()

    def replace(self) -> None:
        """Spares take the place of who is missing, as far as they go."""
        taken = self.missing if self.spares is None else min(self.missing, self.spares)
        self.missing -= taken
        if self.spares is not None:
            self.spares -= taken

    def wait(self) -> Events:
        """Wait for repaired nodes until the job can go on."""
        self.replace()  # one may have come back since the failure
        while self.short:
            yield self.came_back
            self.replace()
