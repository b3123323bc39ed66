"""`clustersim serve`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clustersim.cli import cli
from clustersim.views.serving_table import error_words


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["serve", *arguments])


def test_one_screen_says_rates_cost_and_what_was_published() -> None:
    result = invoke("deepseek_r1_h800")
    assert result.exit_code == 0
    for words in (
        "DeepSeek-R1 served by NVIDIA H800",
        "tokens/s a node of 8",
        "21.0 tokens/s a user",
        "at $2.00 a device-hour; no margin",
        "$87,072",
        "gpt-4o, a token of an answer",
        "the published figures don't state: how uneven experts were",
    ):
        assert words in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 132


@pytest.mark.parametrize(
    ("error", "words"),
    [(0.307, "30.7 % too high"), (-0.2, "20.0 % too low"), (0.0001, "as published"), (-0.0001, "as published")],
)
def test_the_side_of_an_error_is_named(error: float, words: str) -> None:
    assert error_words(error) == words


def test_predictions_above_the_published_rate_are_too_high() -> None:
    lines = invoke("deepseek_r1_h800").stdout.splitlines()
    prefill = next(line for line in lines if line.strip().startswith("prefill, tokens/s a device  "))
    rows = {row["figure"]: row for row in json.loads(invoke("deepseek_r1_h800", "--json").stdout)["published"]}
    error = rows["prefill"]["predicted"]["central"] / rows["prefill"]["published"] - 1
    assert error > 0
    assert rows["prefill"]["error"] == pytest.approx(error)
    assert f"{100 * error:.1f} % too high" in prefill


def test_json_is_one_document_with_the_figures() -> None:
    result = invoke("deepseek_r1_h800", "--json")
    document = json.loads(result.stdout)
    assert document["prefill"]["no_overlap"]["tokens_per_s"] < document["prefill"]["central"]["tokens_per_s"]
    assert {row["figure"] for row in document["published"]} == {"prefill", "decode", "nodes", "cost_per_day"}
    assert document["scenario"]["decode"]["devices"] == 144
    assert invoke("deepseek_r1_h800", "--json").stdout == result.stdout


def test_without_a_price_the_reason_stands_in_its_place() -> None:
    result = invoke("deepseek_r2_rumour_910b")
    assert result.exit_code == 0
    assert "the catalog has no price of an hour of Ascend 910B2: give one" in result.stdout
    assert "$" not in result.stdout.split("cost")[1].split("give one")[0]
    priced = invoke("deepseek_r2_rumour_910b", "--set", "price=1 USD/h", "--set", "utilization=50 %")
    assert "at $1.00 a device-hour, 50 % utilized" in priced.stdout


def test_output_writes_report_and_plot(tmp_path: Path) -> None:
    assert invoke("llama3_70b_h100", "--output", str(tmp_path / "out")).exit_code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "serving.json",
        "serving.txt",
        "throughput_against_latency.svg",
        "throughput_against_latency.png",
    }


def test_a_number_of_devices_is_shared_out() -> None:
    result = invoke("deepseek_r1_h800", "--set", "devices=2048")
    shared = re.search(r"units on 2,048 devices  (\d+) of prefill .* (\d+) of decode .* (\d+) to spare", result.stdout)
    assert shared is not None
    prefill, decode, spare = map(int, shared.groups())
    assert 32 * prefill + 144 * decode + spare == 2048
    assert "requests," in result.stdout
    few = invoke("deepseek_r1_h800", "--set", "devices=100")
    assert few.exit_code == 2
    assert "devices: 100 are fewer than the 176 of one unit for each phase" in few.stderr


def test_wrong_input_and_what_cannot_be() -> None:
    unknown = invoke("deepseek_r1_h80")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "Did you mean deepseek_r1_h800" in unknown.stderr
    slow = invoke("deepseek_r1_h800", "--set", "decode.time_per_token=1 ms")
    assert slow.exit_code == 3
    assert "decode.time_per_token: 1 ms can't be met" in slow.stderr
    small = invoke("deepseek_r1_h800", "--set", "prefill.devices=4")
    assert small.exit_code == 3
    assert "What helps: more devices" in small.stderr
