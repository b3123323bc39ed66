"""A utilization above what any kernel of the chip reached, and why: what it counts, or what in the inputs clashes."""

from __future__ import annotations

from clustersim.inputs.hardware import Accelerator
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.units import format_quantity

# How many times the 16-bit peak a chip's peak in few bits is at most, as a rule: 8 bits on H100, MI300X and B200, 4 on
# GB300. Source: the catalog's accelerators (a test holds it to them); Rubin and Trainium3 have more.
USUAL_TIMES = {"fp8": 2.0, "mxfp8": 2.0, "nvfp4": 6.0}
SLACK = 1.03  # of peaks that are rounded in print, 1,979 over 989 or 733 over 362.05


def above_best_kernel(scenario: Scenario, mfu: float, mfu_causal: float) -> tuple[str, ...]:
    """What a reader must know of an MFU above the chip's best measured kernel; nothing of one below.

    The best kernel's rate over the 16-bit peak is `kernels.best_rate`. An MFU passes it in three ways: attention is
    counted in full and its causal half computed; products run in fewer bits than the peak it is measured against; or
    the chip's numbers don't go together.
    """
    chip, precision = scenario.cluster.accelerator, scenario.training.precision
    best = chip.kernels.best_rate
    if mfu <= best:
        return ()
    reasons = []
    if mfu > mfu_causal:
        reasons.append(
            f"it counts attention in full, of which the causal half is computed ({_percent(mfu_causal)} causal)"
        )
    times = chip.peak[precision] / chip.base_peak
    if times > 1.0:
        reasons.append(
            f"products run in {precision}, at {times:.3g} times the 16-bit peak of "
            f"{format_quantity(chip.base_peak, 'FLOP/s')} that it is measured against"
        )
    if mfu_causal > best * max(1.0, times):
        reasons = [
            f"no kernels could give that: {_base(chip)} and what the step's products reach contradict each other"
        ]
    elif times > SLACK * USUAL_TIMES.get(precision, 1.0):
        usual = f"{USUAL_TIMES.get(precision, 1.0):g} times its 16-bit peak there"
        reasons.append(f"peak.{precision} and {_base(chip)} hardly go together: a chip has at most {usual}, as a rule")
    above = f"MFU {_percent(mfu)} is above the best 16-bit kernel measured on this chip ({_percent(best)})"
    return (f"{above}: {'; '.join(reasons)}",)


def _percent(share: float) -> str:
    return format_quantity(share, "fraction")


def _base(chip: Accelerator) -> str:
    return "peak.bf16" if "bf16" in chip.peak else "peak.fp16"
