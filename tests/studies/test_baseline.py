"""The constant-efficiency baseline."""

from __future__ import annotations

import pytest

from clustersim.studies.validation.baseline import constant_efficiency_times, work_per_device

ROW = {"hidden": "1024", "layers": "4", "heads": "16", "seq_len": "512", "global_batch_seqs": "8", "n_devices": "2"}
ROW |= {"ffn_hidden": "4096", "vocab": "1000"}


def test_work_is_six_flops_a_parameter_and_token() -> None:
    parameters = 4 * (4 * 1024**2 + 2 * 1024 * 4096) + 1000 * 1024
    assert work_per_device(ROW) == 8 * 512 * (6 * parameters + 12 * 4 * 1024 * 512) / 2


def test_recomputation_gates_and_experts_count() -> None:
    assert work_per_device(ROW | {"recompute": "full"}) == pytest.approx(4 / 3 * work_per_device(ROW))
    assert work_per_device(ROW | {"gated_mlp": "1"}) > work_per_device(ROW)
    experts = ROW | {"n_experts": "8", "experts_per_token": "2", "moe_ffn_hidden": "4096"}
    assert work_per_device(experts) > work_per_device(ROW)
    assert work_per_device(experts | {"n_experts": "64"}) == work_per_device(experts)


def test_every_row_is_predicted_by_the_others_median() -> None:
    times = constant_efficiency_times([1.0, 2.0, 9.0], [1.0, 2.0, 3.0])
    assert times == [2.0, 4.0, 3.0]  # medians of (1, 3), (1, 3), (1, 1)
    assert constant_efficiency_times([5.0], [2.0]) == [5.0]
