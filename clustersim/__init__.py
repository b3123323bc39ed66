"""clustersim: what a cluster of accelerators reaches in training, and whether a published figure is believable.

The public names are resolved when first used, so that importing the package (and `clustersim --help`) costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clustersim.version import __version__

_HOMES = {
    # what a user describes
    "load_scenario": "clustersim.inputs.load",
    "load_claim": "clustersim.inputs.load",
    "load_serving": "clustersim.inputs.load_serving",
    "Accelerator": "clustersim.inputs.hardware",
    "Node": "clustersim.inputs.hardware",
    "Cluster": "clustersim.inputs.hardware",
    "Model": "clustersim.inputs.model",
    "Training": "clustersim.inputs.training",
    "Layout": "clustersim.inputs.layout",
    "Stack": "clustersim.inputs.stack",
    "Reliability": "clustersim.inputs.reliability",
    "Scenario": "clustersim.inputs.scenario",
    "Claim": "clustersim.inputs.claim",
    "Serving": "clustersim.inputs.serving",
    # one simulation
    "simulate_step": "clustersim.simulation.step.step",
    "simulate_run": "clustersim.simulation.run",
    "simulate_serving": "clustersim.simulation.serving.serving",
    "StepResult": "clustersim.simulation.results",
    "RunResult": "clustersim.simulation.results",
    "MemoryReport": "clustersim.simulation.results",
    "ServingResult": "clustersim.simulation.serving.serving",
    # many
    "play_runs": "clustersim.studies.seeds",
    "run_sweep": "clustersim.studies.sweeps.sweep",
    "SweepResult": "clustersim.studies.sweeps.sweep",
    "search_layouts": "clustersim.studies.layouts.search",
    "SearchResult": "clustersim.studies.layouts.search",
    "check_claim": "clustersim.studies.claims.judge",
    "ClaimReport": "clustersim.studies.claims.judge",
    "compare": "clustersim.studies.comparison",
    "ScenarioComparison": "clustersim.studies.comparison",
    "validate": "clustersim.studies.validation.validation",
    "ValidationReport": "clustersim.studies.validation.validation",
    "calibrate": "clustersim.studies.calibration.calibration",
    "Calibration": "clustersim.studies.calibration.calibration",
    "serve": "clustersim.studies.serving.report",
    "ServingReport": "clustersim.studies.serving.report",
    "price_a_million_tokens": "clustersim.studies.serving.price",
    # what goes wrong
    "ClustersimError": "clustersim.errors",
    "InputError": "clustersim.errors",
    "InfeasibleError": "clustersim.errors",
    "MissingExtraError": "clustersim.errors",
}
_EARLIER = {"check_claims": "check_claim"}  # names of the release before, and what they are called now

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from clustersim.errors import ClustersimError as ClustersimError
    from clustersim.errors import InfeasibleError as InfeasibleError
    from clustersim.errors import InputError as InputError
    from clustersim.errors import MissingExtraError as MissingExtraError
    from clustersim.inputs.claim import Claim as Claim
    from clustersim.inputs.hardware import Accelerator as Accelerator
    from clustersim.inputs.hardware import Cluster as Cluster
    from clustersim.inputs.hardware import Node as Node
    from clustersim.inputs.layout import Layout as Layout
    from clustersim.inputs.load import load_claim as load_claim
    from clustersim.inputs.load import load_scenario as load_scenario
    from clustersim.inputs.load_serving import load_serving as load_serving
    from clustersim.inputs.model import Model as Model
    from clustersim.inputs.reliability import Reliability as Reliability
    from clustersim.inputs.scenario import Scenario as Scenario
    from clustersim.inputs.serving import Serving as Serving
    from clustersim.inputs.stack import Stack as Stack
    from clustersim.inputs.training import Training as Training
    from clustersim.simulation.results import MemoryReport as MemoryReport
    from clustersim.simulation.results import RunResult as RunResult
    from clustersim.simulation.results import StepResult as StepResult
    from clustersim.simulation.run import simulate_run as simulate_run
    from clustersim.simulation.serving.serving import ServingResult as ServingResult
    from clustersim.simulation.serving.serving import simulate_serving as simulate_serving
    from clustersim.simulation.step.step import simulate_step as simulate_step
    from clustersim.studies.calibration.calibration import Calibration as Calibration
    from clustersim.studies.calibration.calibration import calibrate as calibrate
    from clustersim.studies.claims.judge import ClaimReport as ClaimReport
    from clustersim.studies.claims.judge import check_claim as check_claim
    from clustersim.studies.comparison import ScenarioComparison as ScenarioComparison
    from clustersim.studies.comparison import compare as compare
    from clustersim.studies.layouts.search import SearchResult as SearchResult
    from clustersim.studies.layouts.search import search_layouts as search_layouts
    from clustersim.studies.seeds import play_runs as play_runs
    from clustersim.studies.serving.price import price_a_million_tokens as price_a_million_tokens
    from clustersim.studies.serving.report import ServingReport as ServingReport
    from clustersim.studies.serving.report import serve as serve
    from clustersim.studies.sweeps.sweep import SweepResult as SweepResult
    from clustersim.studies.sweeps.sweep import run_sweep as run_sweep
    from clustersim.studies.validation.validation import ValidationReport as ValidationReport
    from clustersim.studies.validation.validation import validate as validate


def __getattr__(name: str) -> Any:
    if name in _EARLIER:
        import warnings

        now = _EARLIER[name]
        warnings.warn(f"clustersim.{name} is called clustersim.{now}", DeprecationWarning, stacklevel=2)
        return getattr(import_module(_HOMES[now]), now)
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'clustersim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
