"""clustersim: what a cluster of accelerators reaches in training, and whether a published figure is believable.

The public names are resolved when first used, so that importing the package (and `clustersim --help`) costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "load_scenario": "clustersim.inputs.load",
    "simulate_step": "clustersim.simulation.step",
    "simulate_run": "clustersim.simulation.run",
    "play_runs": "clustersim.studies.seeds",
    "run_sweep": "clustersim.studies.sweep",
    "search_layouts": "clustersim.studies.search",
    "check_claims": "clustersim.studies.claims",
    "validate": "clustersim.studies.validation",
    "load_serving": "clustersim.inputs.load_serving",
    "simulate_serving": "clustersim.simulation.serving",
    "price_a_million_tokens": "clustersim.studies.serving_price",
    "calibrate": "clustersim.studies.calibration",
}

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from clustersim.inputs.load import load_scenario as load_scenario
    from clustersim.inputs.load_serving import load_serving as load_serving
    from clustersim.simulation.run import simulate_run as simulate_run
    from clustersim.simulation.serving import simulate_serving as simulate_serving
    from clustersim.simulation.step import simulate_step as simulate_step
    from clustersim.studies.calibration import calibrate as calibrate
    from clustersim.studies.claims import check_claims as check_claims
    from clustersim.studies.search import search_layouts as search_layouts
    from clustersim.studies.seeds import play_runs as play_runs
    from clustersim.studies.serving_price import price_a_million_tokens as price_a_million_tokens
    from clustersim.studies.sweep import run_sweep as run_sweep
    from clustersim.studies.validation import validate as validate


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'clustersim' has no attribute {name!r}")
