"""How far coupling in a few passes lies from the fluid engine, for scenarios in which much overlaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clustersim.inputs.load import load_scenario
from clustersim.simulation.step.step import play_step

PASSES = (0, 1, 2, 3, 6)
NIC, HALF, QUARTER = "cluster.node.scale_out.bandwidth", "12.5 GB/s", "6.25 GB/s"

LLAMA_70B: Mapping[str, Any] = {
    "model": "llama-2-70b",
    "cluster": {"accelerator": "a100-sxm-80gb", "devices": 512},
    "training": {"sequence_length": 4096, "global_batch": 512, "precision": "bf16"},
    "layout": {"recompute": "full"},
    "stack": "composer-fsdp-2023",
}
MIXTRAL: Mapping[str, Any] = {
    "model": "mixtral-8x22b",
    "cluster": {"accelerator": "h100-sxm-80gb", "devices": 256},
    "training": {"sequence_length": 4096, "global_batch": 512, "precision": "bf16"},
    "layout": {
        "tensor": 2,
        "context": 2,
        "expert": 8,
        "pipeline": 4,
        "virtual_stages": 7,
        "overlap": ["grad_reduce", "param_gather", "tensor", "expert"],
    },
    "stack": "megatron-bridge-2025",
}
GPT3: dict[str, Any] = {"stack": "megatron-lm-2024", "training.global_batch": 512}
INTERLEAVED: dict[str, Any] = GPT3 | {"layout.schedule": "interleaved-1f1b", "layout.virtual_stages": 6}


@dataclass(frozen=True)
class Case:
    """A scenario and what is changed in it."""

    name: str
    scenario: str | Mapping[str, Any]
    changes: Mapping[str, Any]


CASES = (
    Case("GPT-3 175B, 1,024 A100, 1F1B", "gpt3_175b_a100_1024", GPT3),
    Case("the same, 6 virtual stages", "gpt3_175b_a100_1024", INTERLEAVED),
    Case("the same, NICs of a quarter", "gpt3_175b_a100_1024", INTERLEAVED | {NIC: QUARTER}),
    Case("Llama 3.1 405B, 16,384 H100", "llama3_405b_h100_16384", {}),
    Case("the same, NICs of an eighth", "llama3_405b_h100_16384", {NIC: QUARTER}),
    Case("Llama 2 70B, 512 A100, FSDP", LLAMA_70B, {}),
    Case("the same, NICs of a quarter", LLAMA_70B, {NIC: QUARTER}),
    Case("DeepSeek-V3, 2,048 H800, DualPipe", "deepseek_v3_h800_2048", {}),
    Case("the same, NICs of a quarter", "deepseek_v3_h800_2048", {NIC: HALF}),
    Case("the same as it was, but 1F1B", "deepseek_v3_h800_2048", {"layout.schedule": "1f1b"}),
    Case("Pangu Ultra 135B, 8,192 Ascend 910B", "pangu_ultra_135b_910b_8192", {}),
    Case("the same, NICs of a quarter", "pangu_ultra_135b_910b_8192", {NIC: QUARTER}),
    Case("Mixtral 8x22B, 256 H100, experts beside compute", MIXTRAL, {}),
    Case("the same, NICs of a quarter", MIXTRAL, {NIC: HALF}),
)


@dataclass(frozen=True)
class CouplingError:
    """Step times of one case."""

    case: Case
    fluid_s: float
    seconds: Mapping[int, float]  # by passes

    def of(self, passes: int) -> float:
        """Coupled over fluid, less one."""
        return self.seconds[passes] / self.fluid_s - 1.0


def coupling_errors(cases: tuple[Case, ...] = CASES) -> Iterator[CouplingError]:
    """Every case, played event by event and in passes."""
    for case in cases:
        *coupled, fluid = (
            play_step(load_scenario(case.scenario, {**case.changes, "stack.coupling": coupling})).seconds
            for coupling in (*PASSES, "fluid")
        )
        yield CouplingError(case, fluid, dict(zip(PASSES, coupled, strict=True)))
