"""The training job as one SimPy process: it trains until something comes between, and comes back."""

from __future__ import annotations

import math
from bisect import bisect_right

import simpy

from clustersim.inputs.units import SECONDS_A_DAY
from clustersim.simulation.run_clock.ledger import Ledger
from clustersim.simulation.run_clock.nodes import Events, NodePool
from clustersim.simulation.run_clock.outages import Outage, PaceChange, SlowNode, Stain, Stall
from clustersim.simulation.run_clock.plan import Phase, RunPlan

DONE = 1e-9  # of the work: less is rounding

Interruption = Outage | Stall | PaceChange


class Job:
    """Work is counted in seconds of undisturbed training, positions as `Cycle` does."""

    def __init__(self, env: simpy.Environment, plan: RunPlan, seed: int, ledger: Ledger) -> None:
        self.env = env
        self.plan = plan
        self.seed = seed
        self.ledger = ledger
        self.nodes = NodePool(env, plan.fleet)
        self.slow: list[SlowNode] = []
        self.stains: list[Stain] = []
        self.training = False
        self.work = 0.0
        self.since = 0.0  # wall time up to which `work` and `position` count
        self.position = 0.0
        self.trained = 0.0  # seconds, up to the position
        self.paces = (1.0, 1.0)  # of the replicas that are left, and of slow nodes
        self.knots: list[tuple[float, float]] = [(0.0, 0.0)]  # training seconds, work: since the checkpoint in storage
        self.process = env.process(self._life())

    def interrupt(self, reason: Interruption) -> None:
        """Tell the job; who tells a job that has just ended is too late."""
        if self.process.is_alive:
            self.process.interrupt(reason)

    def pace_changed(self) -> None:
        """Slow nodes came, went or became slower: the job settles what it did so far if that matters to it."""
        if self.training and self._paces() != self.paces:
            self.interrupt(PaceChange())

    def stain(self) -> Stain:
        """Results are wrong from now on; the last checkpoint before now is clean."""
        self._settle()
        taken = self.plan.cycle.taken(self.position)
        found = Stain(self._work_at(taken * self.plan.cycle.trained_a_cycle) if taken else self.knots[0][1])
        self.stains.append(found)
        return found

    def _life(self) -> Events:
        pending: Interruption | None = None
        while self.remaining > 0.0:
            try:
                if pending is None:
                    yield from self._train()
                else:
                    yield from self._overcome(pending)
                    pending = None
            except simpy.Interrupt as stop:
                reason: Interruption = stop.cause  # type: ignore[assignment]
                pending = self._met(reason, pending)

    @property
    def remaining(self) -> float:
        """Work that is left; what rounding leaves isn't."""
        left = self.plan.work_s - self.work
        return left if left > DONE * self.plan.work_s else 0.0

    # Training

    def _train(self) -> Events:
        """Train until the end. It is reached at full pace of the day at the earliest: look again then."""
        self.training = True
        self.since = self.env.now
        self.paces = self._paces()
        cycle = self.plan.cycle
        while self.remaining > 0.0:
            pace = cycle.pace * self.paces[0] * self.paces[1]
            end = cycle.position(self.trained + self.remaining / pace)
            yield self.env.timeout(end - self.position)
            self._settle()
        self.training = False

    def _paces(self) -> tuple[float, float]:
        slow = self.plan.slow_nodes
        if slow is None or not self.slow:
            return self.nodes.pace, 1.0
        return self.nodes.pace, 1.0 / max(slow.slowdowns.of(one.stage, one.factor) for one in self.slow)

    def _settle(self) -> None:
        """Bring work, position and accounts up to now."""
        now, cycle, lose = self.env.now, self.plan.cycle, self.ledger.lose
        wall, before = now - self.since, self.trained
        if wall <= 0.0:
            return
        self.position += wall
        self.trained = cycle.trained(self.position)
        rest = self.trained - before
        lose("checkpoints", "blocking", wall - rest)
        day = self._day(now) - self._day(self.since) if self.plan.daily_variation else wall
        for cause, pace in (
            ("checkpoints", cycle.pace),
            ("fewer replicas", self.paces[0]),
            ("slow nodes", self.paces[1]),
            ("daily variation", day / wall),
        ):
            if pace != 1.0:
                lose(cause, "slower", rest * (1.0 - pace))
                rest *= pace
        self.work += rest
        self.knots.append((self.trained, self.work))
        self.ledger.show(self.since, now, "training", "", self.work)
        self.since = now

    def _day(self, time: float) -> float:
        """Seconds of full throughput up to a time: the integral of 1 - v (1 - cos(2 pi t / day)) / 2."""
        v = self.plan.daily_variation
        angle = 2.0 * math.pi / SECONDS_A_DAY
        return time * (1.0 - v / 2.0) + v / (2.0 * angle) * math.sin(angle * time)

    # Interruptions

    def _met(self, reason: Interruption, pending: Interruption | None) -> Interruption | None:
        """What to do next after an interruption of training, or of overcoming what is `pending`."""
        if self.training:
            self._settle()
        if isinstance(reason, Outage):
            self.training = False
            if not reason.planned:
                self.ledger.count(reason.cause)
                self._roll_back(reason)
            if reason.node is not None:
                if self.slow:
                    self.slow = [one for one in self.slow if one.node != reason.node]
                self.nodes.take_out(reason.repair_s)
            return reason
        if pending is not None:  # it came at the same moment as an outage
            return pending
        self.training = False
        return None if isinstance(reason, PaceChange) else reason

    def _overcome(self, pending: Interruption) -> Events:
        if isinstance(pending, Stall):
            yield from self._stand("data stalls", (("waiting", pending.seconds),))
        elif isinstance(pending, Outage):
            yield from self._come_back(pending)

    def _come_back(self, outage: Outage) -> Events:
        recovery = self.plan.recovery
        loading = recovery.memory_loading_s if outage.from_memory else recovery.loading_s
        restart: tuple[Phase, ...] = (("restart", recovery.restart_s), ("loading", loading))
        phases = outage.phases
        if outage.planned:
            yield from self._stand(outage.cause, phases[:1])
            self._saved()
            phases = phases[1:]
        self.nodes.replace()
        if not self.nodes.short:
            yield from self._stand(outage.cause, phases + restart)
            return
        yield from self._stand(outage.cause, phases)
        began = self.env.now
        try:
            yield from self.nodes.wait()
        finally:
            waited = self.env.now - began
            self.ledger.stand("missing nodes", (("waiting", waited),), began, self.env.now, self.work)
        yield from self._stand(outage.cause, restart)

    def _stand(self, cause: str, phases: tuple[Phase, ...]) -> Events:
        """Stand still for some phases; one that is cut short counts as far as it came."""
        began = self.env.now
        try:
            yield self.env.timeout(sum(seconds for _, seconds in phases))
        finally:
            self.ledger.stand(cause, phases, began, self.env.now, self.work)

    def _saved(self) -> None:
        """All that was done is in storage."""
        self.position = self.trained = 0.0
        self.knots = [(0.0, self.work)]

    def _roll_back(self, outage: Outage) -> None:
        """Back to the last checkpoint that is safe: in memory where it survived, before a corruption if that is why."""
        cycle = self.plan.cycle
        safe = cycle.stored(self.position)
        base = self._work_at(safe * cycle.trained_a_cycle) if safe else self.knots[0][1]
        work, place = base, 0.0
        if outage.from_memory:
            snapshot = cycle.last_snapshot(self.position)
            work = self._work_at(cycle.trained(snapshot))
            place = snapshot - safe * cycle.length
        elif outage.clean_work is not None:
            work = base = min(base, outage.clean_work)
        self.ledger.lose(outage.cause, "redone", self.work - work)
        self.work, self.position, self.knots = work, place, [(0.0, base)]
        self.trained = cycle.trained(place) if place > 0.0 else 0.0
        if place > 0.0:
            self.knots.append((self.trained, work))
        if self.stains:
            self.stains = [stain for stain in self.stains if stain.clean_work < work]

    def _work_at(self, trained: float) -> float:
        """Work done after so many training seconds since the checkpoint in storage; even between what was settled."""
        at = bisect_right(self.knots, (trained, math.inf))
        if at == len(self.knots):
            return self.knots[-1][1]
        (before, low), (after, high) = self.knots[at - 1], self.knots[at]
        return low + (high - low) * (trained - before) / (after - before)
