"""clustersim: what a cluster of accelerators reaches in training, and whether a published figure is believable.

The public names are resolved when first used, so that importing the package (and `clustersim --help`) costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clustersim.version import __version__

_HOMES = {
    "load_scenario": "clustersim.inputs.load",
    "simulate_step": "clustersim.simulation.step.step",
    "simulate_run": "clustersim.simulation.run",
    "play_runs": "clustersim.studies.seeds",
    "run_sweep": "clustersim.studies.sweeps.sweep",
    "search_layouts": "clustersim.studies.layouts.search",
    "check_claims": "clustersim.studies.claims.judge",
    "validate": "clustersim.studies.validation.validation",
    "load_serving": "clustersim.inputs.load_serving",
    "simulate_serving": "clustersim.simulation.serving.serving",
    "price_a_million_tokens": "clustersim.studies.serving.price",
    "calibrate": "clustersim.studies.calibration.calibration",
}

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from clustersim.inputs.load import load_scenario as load_scenario
    from clustersim.inputs.load_serving import load_serving as load_serving
    from clustersim.simulation.run import simulate_run as simulate_run
    from clustersim.simulation.serving.serving import simulate_serving as simulate_serving
    from clustersim.simulation.step.step import simulate_step as simulate_step
    from clustersim.studies.calibration.calibration import calibrate as calibrate
    from clustersim.studies.claims.judge import check_claims as check_claims
    from clustersim.studies.layouts.search import search_layouts as search_layouts
    from clustersim.studies.seeds import play_runs as play_runs
    from clustersim.studies.serving.price import price_a_million_tokens as price_a_million_tokens
    from clustersim.studies.sweeps.sweep import run_sweep as run_sweep
    from clustersim.studies.validation.validation import validate as validate


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'clustersim' has no attribute {name!r}")
