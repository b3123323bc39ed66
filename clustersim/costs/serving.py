"""What operations take in serving: as in training, with the kernels that were measured for a phase in their place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from clustersim.costs.collectives import Cost, Reach
from clustersim.costs.gemm import gemm_time
from clustersim.costs.machine import Machine, fused_attention_time, machine_of
from clustersim.costs.placement import RankPlacement, place
from clustersim.inputs.hardware import Cluster, Node
from clustersim.inputs.model import Experts
from clustersim.inputs.precisions import element_bytes
from clustersim.inputs.serving import ExchangeRates, PhaseKernels, ServingStack, Unit, WeightPrecision
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Attention, Collective, Gemm

EXPERT_KINDS = ("dispatch", "combine")


@dataclass(frozen=True)
class ServingMachine(Machine):
    """A machine whose products, attention and exchange of experts reach what was measured for a phase of serving."""

    kernels: PhaseKernels
    weights: WeightPrecision
    nodes_met: float  # scale-up domains that one token goes to

    @property
    def single(self) -> frozenset[str]:
        """The groups of one rank, which exchange nothing."""
        return frozenset(name for name, group in self.groups.items() if np.max(group.ranks) == 1.0)

    def gemm_time(self, gemm: Gemm) -> Array:
        """Seconds of matrix products: by the measured rate, under the power cap, where it is one of weights."""
        rate = self.kernels.gemm
        if rate is None or gemm.precision != self.weights:
            return super().gemm_time(gemm)
        chip = self.accelerator.kernels
        seconds = gemm_time(
            gemm.m,
            gemm.n,
            gemm.k,
            gemm.count,
            rate=rate * chip.sustained * self.stack.sustained,
            bandwidth=self.memory_bandwidth,
            short_k=chip.gemm_short_k,
            overhead=2.0 * chip.gemm_small / (rate * chip.sustained * self.stack.sustained),
            element_bytes=element_bytes(self.weights),
        )
        return np.maximum(seconds, chip.launch)

    def attention_time(self, attention: Attention) -> Array:
        """Seconds of attention over kept keys and values: max(FLOP / rate, bytes / bandwidth)."""
        rate, chip = self.kernels.attention, self.accelerator
        if rate is None:
            compute = super().attention_time(attention)
        else:
            compute = fused_attention_time(attention.flops, peak=rate, efficiency=1.0)
        read = attention.bytes / (self.kernels.cache_bandwidth or self.memory_bandwidth)
        return np.maximum(np.maximum(compute, read), chip.kernels.launch)

    def reach(self, group: str) -> Reach:
        """As in training, with buffers that hold the most that may come. Source: DeepEP, README (low latency)."""
        return replace(super().reach(group), announces=False)

    def collective(self, collective: Collective) -> Cost:
        """Seconds and bytes: of tokens on their way to experts and back as measured, where they were."""
        cost, kernels, group = super().collective(collective), self.kernels.all_to_all, self.groups[collective.group]
        across = np.max(group.across) > 1.0
        if kernels is None or collective.kind not in EXPERT_KINDS or (kernels.counts == "nodes" and not across):
            return cost
        rates = kernels.dispatch if collective.kind == "dispatch" else kernels.combine
        counted = collective.bytes
        if kernels.counts == "nodes":
            counted = counted / collective.copies * self.nodes_met
        latency = self.up.start + (self.out if across else self.up).latency
        seconds = measured_exchange_time(counted, group.ranks, rates, latency)
        return cost._replace(seconds=np.where(group.ranks > 1.0, seconds, 0.0))


def measured_exchange_time(message: Array, ranks: Array, rates: ExchangeRates, latency: float) -> Array:
    """Seconds of an all-to-all from its measured bandwidth B at message M among so many ranks.

    latency + message (1/B - latency/M): the time measured at M, of which `latency` is there for any message.
    Between measured numbers of ranks B is interpolated over their logarithm, and beyond them it stays.
    """
    known = np.array([row.ranks for row in rates.measured], dtype=float)
    bandwidth = np.interp(np.log(ranks), np.log(known), [row.bandwidth for row in rates.measured])
    fixed = np.minimum(latency, rates.message / bandwidth)
    return fixed + message * (1.0 / bandwidth - fixed / rates.message)


def nodes_met(moe: Experts, domains: float) -> float:
    """Scale-up domains that the experts of one token lie in, of `domains` that share them evenly.

    Without limits D (1 - (1 - 1/D)^k). Where a token may use g of G expert groups and a domain holds G/D of them, a
    domain has j of the g by the hypergeometric distribution and then holds one of k experts but for (1 - j/g)^k.
    Source: DeepSeek-V3, arXiv 2412.19437, section 2.1.2 (node-limited routing).
    """
    groups, used = moe.groups, moe.groups_a_token or moe.groups
    if used >= groups or groups % domains:
        limit = min(domains, float(used)) if used < groups else domains
        return limit * (1.0 - (1.0 - 1.0 / limit) ** moe.top_k)
    from math import comb

    held = round(groups / domains)
    met = sum(
        comb(held, j) * comb(groups - held, used - j) / comb(groups, used) * (1.0 - (1.0 - j / used) ** moe.top_k)
        for j in range(1, min(held, used) + 1)
    )
    return domains * met


def serving_machine(
    node: Node, stack: ServingStack, unit: Unit, kernels: PhaseKernels, weights: WeightPrecision, moe: Experts | None
) -> ServingMachine:
    """The machine of one unit: its tensor ranks next to each other, experts over all of its devices."""
    groups = {"tensor": place(float(unit.tensor), 1.0, node.domain), "expert_tensor": RankPlacement(1.0, 1.0, 1.0)}
    groups["expert"] = place(float(unit.devices), 1.0, node.domain)
    software = stack.software
    if kernels.all_to_all is not None:
        lent = {"overlap_slowdown": kernels.all_to_all.slowdown, "reserved_cores": 0.0}
        software = software.model_copy(update=lent)
    if kernels.gemm is not None:  # the rate of these kernels, not a share of another's
        software = software.model_copy(update={"low_precision_share": 1.0})
    if kernels.kernel_gap is not None:
        software = software.model_copy(update={"kernel_gap": kernels.kernel_gap})
    if kernels.launch is not None:
        chip = node.accelerator
        chip = chip.model_copy(update={"kernels": chip.kernels.model_copy(update={"launch": kernels.launch})})
        node = node.model_copy(update={"accelerator": chip})
    cluster = Cluster(node=node, nodes=-(-unit.devices // node.devices))
    machine = machine_of(cluster, software, groups)
    met = 1.0 if moe is None else nodes_met(moe, float(groups["expert"].across))
    return ServingMachine(**vars(machine), kernels=kernels, weights=weights, nodes_met=met)
