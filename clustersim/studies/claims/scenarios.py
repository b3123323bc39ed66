"""The scenarios that a claim leaves possible: every combination of open values, what nobody says filled in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from clustersim.errors import InputError, Problem
from clustersim.inputs.assumptions import BEST_STACKS, CLAIM_DEVICES, CLAIM_SEQUENCES, CLAIM_TOKENS_A_STEP
from clustersim.inputs.claim import Claim
from clustersim.inputs.claim_open import Distribution, LogNormal, Range
from clustersim.inputs.hardware import Cluster
from clustersim.inputs.load import load_scenario, readable_parts
from clustersim.inputs.scenario import Scenario

MOST_POINTS = 64
WHOLE_VALUES = 3  # of a range of whole numbers that are tried
SPREAD_NODES = (-2.0, 0.0, 2.0)  # standard deviations at which a log-normal value is played
RANGE_NODES = (0.0, 0.5, 1.0)  # places in a range at which it is played

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Axis:
    """An open value that is drawn: where it is played, and which value that is (SI)."""

    key: str
    drawn: Distribution
    nodes: tuple[float, ...]  # places: of a range from 0 to 1, of a spread in standard deviations
    values: tuple[float, ...]
    likely: float | None = None  # place of the likeliest value

    @property
    def middle(self) -> float:
        """The value at which layouts are searched."""
        return self.values[len(self.values) // 2]


@dataclass(frozen=True)
class Setting:
    """One combination of the values that are tried, with those that are drawn in their middle."""

    scenario: Scenario
    mapping: Mapping[str, Any]
    values: Values
    axes: tuple[Axis, ...]

    def at(self, axis: Axis, value: float, layout: Any) -> Scenario:
        """The scenario with another value of an axis and a layout that is settled."""
        scenario = load_scenario(self.mapping, {**self.values, axis.key: value})
        return scenario.model_copy(update={"layout": layout})


@dataclass(frozen=True)
class Possible:
    """Everything that a claim leaves possible."""

    settings: tuple[Setting | InputError, ...]  # or why a combination's parts don't fit each other
    assumed: tuple[str, ...]  # what nobody said and was filled in
    open_devices: bool
    unlaid: tuple[Scenario, ...] = ()  # with the layout left open, where the stated one fits no combination


def possible_settings(claim: Claim, seed: int = 0) -> Possible:
    """A setting for every combination of the open values; its layout is searched unless the claim states one.

    Raises InputError for what can't be read, where there are too many combinations to try, and where none makes sense.
    """
    assumed: list[str] = []
    combinations, axes = _combinations(claim, assumed)
    settings = tuple(_setting(claim, values, axes, seed, assumed) for values in combinations)
    unlaid: tuple[Scenario, ...] = ()
    if all(isinstance(setting, InputError) for setting in settings):
        unlaid = tuple(_without_layout(claim, combinations, axes, seed))
        if not unlaid:
            raise next(setting for setting in settings if isinstance(setting, InputError))
    open_devices = any(key.startswith("cluster") for values in combinations[:1] for key in values)
    return Possible(settings, tuple(dict.fromkeys(assumed)), open_devices, unlaid)


def _without_layout(
    claim: Claim, combinations: Sequence[Values], axes: tuple[Axis, ...], seed: int
) -> Iterator[Scenario]:
    """The scenarios of combinations with their layout left open, as far as their other parts fit each other."""
    for values in combinations:
        others = {key: value for key, value in values.items() if not key.startswith("layout")}
        setting = _setting(claim, others | {"layout": "search"}, axes, seed, [])
        if isinstance(setting, Setting):
            yield setting.scenario


def changed_settings(
    claim: Claim, change: Values, settings: Sequence[Setting | InputError], *, same_devices: bool
) -> list[Setting | InputError]:
    """Each of `settings` as the other system of a relation: changed, and on as many devices if they are the same."""
    others = []
    for setting in settings:
        if isinstance(setting, Setting):
            devices = {"cluster.devices": setting.scenario.cluster.devices} if same_devices else {}
            values = {**setting.values, **change, **devices}
            setting = _setting(claim, values, setting.axes, setting.scenario.seed, [])
        others.append(setting)
    return others


def _combinations(claim: Claim, assumed: list[str]) -> tuple[list[Values], tuple[Axis, ...]]:
    """Every combination of the values to try, in order, and the axes of those to draw."""
    choices: dict[str, Sequence[Any]] = {}
    drawn: dict[str, Distribution] = {}
    for key, value in claim.open_values.items():
        if isinstance(value, tuple):
            choices[key] = value
        else:
            drawn[key] = value
    choices = _what_nobody_says(claim, assumed) | choices
    first = {key: values[0] for key, values in choices.items()}
    axes = []
    for key, value in drawn.items():
        whole = _axis(claim, first, key, value)
        if isinstance(whole, Axis):
            axes.append(whole)
        else:
            choices[key] = whole
    count = math.prod(map(len, choices.values()))
    if count > MOST_POINTS:
        message = f"{count:,} combinations of open values are too many to search: at most {MOST_POINTS}"
        raise InputError(claim.name, [Problem(message, "open")])
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())], tuple(axes)


def _what_nobody_says(claim: Claim, assumed: list[str]) -> dict[str, Sequence[Any]]:
    """Devices and sequence lengths to try where the claim neither gives them nor leaves them open."""
    choices: dict[str, Sequence[Any]] = {}
    part, said = claim.scenario_part, {*claim.open}
    cluster = part.get("cluster")
    sizes = ("nodes", "devices")
    if isinstance(cluster, Mapping) and not any(
        key in cluster or f"cluster.{key}" in said for key in (*sizes, "extends")
    ):
        choices["cluster.devices"] = CLAIM_DEVICES
        assumed.append(f"The number of devices isn't said: {_listed(CLAIM_DEVICES)} are tried.")
    if not _is_stated(claim, "training", "sequence_length"):
        choices["training.sequence_length"] = CLAIM_SEQUENCES
        assumed.append(f"The sequence length isn't said: {_listed(CLAIM_SEQUENCES)} tokens are tried.")
    return choices


def _is_stated(claim: Claim, part: str, key: str) -> bool:
    stated = claim.scenario_part.get(part, {})
    return f"{part}.{key}" in claim.open or part in claim.open or not isinstance(stated, Mapping) or key in stated


def _listed(values: Sequence[int]) -> str:
    return " and ".join(f"{value:,}" for value in values) if len(values) < 3 else ", ".join(f"{v:,}" for v in values)


def _setting(
    claim: Claim, values: Values, axes: tuple[Axis, ...], seed: int, assumed: list[str]
) -> Setting | InputError:
    """The scenario of some open values, or what keeps its parts from fitting each other.

    Raises InputError for a mistake in a part by itself.
    """
    mapping = {"name": claim.name, "seed": seed, **claim.scenario_part}
    middles = {**values, **{axis.key: axis.middle for axis in axes}}
    filled = _filled(claim, mapping, middles, assumed)
    try:
        return Setting(load_scenario(mapping, {**filled, **middles}), mapping, {**filled, **middles}, axes)
    except InputError as error:
        if all(problem.misfit for problem in error.problems):
            return error
        raise


def _filled(claim: Claim, mapping: Values, values: Values, assumed: list[str]) -> dict[str, Any]:
    """Overrides for what the claim doesn't say: batch, precision, and software that runs on the chip."""
    model, cluster = readable_parts(mapping, values)
    filled: dict[str, Any] = {}
    if not _is_stated(claim, "training", "global_batch") and "training.global_batch" not in values:
        length = _said(mapping, values, "sequence_length")
        if isinstance(length, int) and length > 0:
            filled["training.global_batch"] = max(1, CLAIM_TOKENS_A_STEP // length)
            assumed.append("The batch isn't said: 16 M tokens a step, as Llama 3 405B's, are granted.")
    if cluster is None:
        return filled
    chip = cluster.accelerator
    if not _is_stated(claim, "training", "precision") and "training.precision" not in values:
        filled["training.precision"] = "bf16" if "bf16" in chip.peak else "fp16"
    stack = values.get("stack", mapping.get("stack"))
    if chip.vendor in BEST_STACKS and (stack is None or not _runs_on(mapping, values, cluster)):
        dense, mixture = BEST_STACKS[chip.vendor]
        filled["stack"] = mixture if model is not None and model.moe else dense
        assumed.append(f"The software on {chip.name} isn't said: {filled['stack']} of the catalog is granted.")
    return {key: value for key, value in filled.items() if key not in values or key == "stack"}


def _said(mapping: Values, values: Values, key: str) -> Any:
    training = mapping.get("training", {})
    return values.get(f"training.{key}", training.get(key) if isinstance(training, Mapping) else None)


def _runs_on(mapping: Values, values: Values, cluster: Cluster) -> bool:
    """Whether the stated stack is for the chip, or was chosen together with it."""
    if "stack" in values:
        return True
    from clustersim.inputs.catalog import load

    stack = mapping.get("stack")
    if not isinstance(stack, str):
        return True
    try:
        return cluster.accelerator.vendor in load("stacks", stack).vendors
    except InputError:
        return True  # the scenario's reading says what is wrong


def _axis(claim: Claim, first: Values, key: str, drawn: Distribution) -> Axis | list[Any]:
    """An axis to draw from, or a few values to try where only whole numbers make sense."""
    nodes = SPREAD_NODES if isinstance(drawn, LogNormal) else RANGE_NODES
    ends = (drawn.median,) if isinstance(drawn, LogNormal) else (drawn.low, drawn.high, drawn.likely)
    read = [_read(claim, first, key, end) for end in ends if end is not None]
    if isinstance(drawn, Range):
        low, high = read[0], read[1]
        if not low < high:
            raise InputError(claim.name, [Problem(f"{key}: from {low:g} to {high:g} is no range", "open")])
        if drawn.likely is not None and not low <= read[2] <= high:
            raise InputError(claim.name, [Problem(f"{key}: the likeliest value lies outside the range", "open")])
        if all(isinstance(value, int) for value in read):
            return _whole_values(int(low), int(high))
        if drawn.scale == "log" and low <= 0:
            raise InputError(claim.name, [Problem(f"{key}: a logarithmic range begins above 0", "open")])
        places = np.array(nodes)
        values = low * (high / low) ** places if drawn.scale == "log" else low + (high - low) * places
    else:
        values = read[0] * np.exp(drawn.spread * np.array(nodes))
    likely = (read[2] - read[0]) / (read[1] - read[0]) if len(read) == 3 else None
    return Axis(key, drawn, nodes, tuple(float(value) for value in values), likely)


def _read(claim: Claim, first: Values, key: str, value: Any) -> float | int:
    """An open value in SI, as the scenario reads it; a whole number is one."""
    if isinstance(value, int):
        return value
    setting = _setting(claim, {**first, key: value}, (), 0, [])
    if isinstance(setting, InputError):
        raise setting
    found: Any = setting.scenario
    for step in key.split("."):
        found = getattr(found, step, None)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise InputError(claim.name, [Problem(f"{key}: only a number has a range: list the values to try", "open")])
    return found


def _whole_values(low: int, high: int) -> list[int]:
    """Whole numbers from low to high, even in logarithm, the inner ones with many divisors."""
    found = []
    for place in np.linspace(0.0, 1.0, WHOLE_VALUES):
        value = round(max(low, 1) * (high / max(low, 1)) ** float(place))
        step = 2 ** max(0, value.bit_length() - 3)
        found.append(min(high, max(low, round(value / step) * step)) if 0 < place < 1 else value)
    return sorted(set(found))
