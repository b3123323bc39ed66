"""Settings beside those that a claim leaves possible, for the other things that a bare utilization can mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from clustersim.errors import InputError
from clustersim.inputs.assumptions import LONG_SEQUENCE
from clustersim.inputs.claim import Claim
from clustersim.studies.claims.scenarios import Setting, changed_settings

SMALLER = 8  # the cluster that an unstated scaling efficiency refers to has so many times fewer devices
LENGTH, BATCH = "training.sequence_length", "training.global_batch"

AlternativeSettings = Sequence[Setting | InputError]


def smaller_cluster(claim: Claim, settings: AlternativeSettings) -> AlternativeSettings:
    """The largest setting on fewer devices and with as many sequences fewer, for a utilization that may be scaling."""
    known = _known(settings)
    if not known or not _may_mean(claim, "scaling_efficiency"):
        return []
    largest = max(known, key=lambda setting: setting.scenario.cluster.devices)
    nodes, batch = largest.scenario.cluster.nodes, largest.scenario.training.global_batch
    if nodes % SMALLER or batch % SMALLER or largest.scenario.layout != "search":
        return []
    return _changed(claim, largest, {"cluster.nodes": nodes // SMALLER, BATCH: batch // SMALLER}, "cluster.devices")


def longer_sequences(claim: Claim, settings: AlternativeSettings) -> AlternativeSettings:
    """The smallest setting with long sequences and as many tokens a step, where the claim leaves their length open.

    On few devices many micro-batches are left, which is kind to the claim. Full attention counts the masked half of
    the scores too, of which long sequences have many: the same speed reads higher.
    """
    known = _known(settings)
    if not known or not _may_mean(claim, "unstated") or LENGTH not in known[0].values:
        return []
    smallest = min(known, key=lambda setting: setting.scenario.cluster.devices)
    training = smallest.scenario.training
    batch, rest = divmod(training.tokens_per_step, LONG_SEQUENCE)
    if training.sequence_length >= LONG_SEQUENCE or rest or smallest.scenario.layout != "search":
        return []
    return _changed(claim, smallest, {LENGTH: LONG_SEQUENCE, BATCH: batch})


def _may_mean(claim: Claim, meaning: str) -> bool:
    return any(assertion.meaning in ("unstated", meaning) for assertion in claim.assertions)


def _known(settings: AlternativeSettings) -> list[Setting]:
    return [setting for setting in settings if isinstance(setting, Setting)]


def _changed(claim: Claim, setting: Setting, change: Mapping[str, Any], without: str = "") -> AlternativeSettings:
    """A setting with some values in place of its own, and without one of these."""
    only = replace(setting, values={key: value for key, value in setting.values.items() if key != without})
    return changed_settings(claim, change, [only], same_devices=False)
