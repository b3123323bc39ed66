"""Every public config.json that was collected: read with its published parameters, or refused with the reason."""

from __future__ import annotations

import csv
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from clustersim.errors import InputError
from clustersim.inputs.huggingface import model_from_config
from clustersim.inputs.model import Model
from clustersim.workload.counts import ModelCounts, counts_of

PUBLIC = Path(__file__).parents[1] / "data" / "hf2"
with (PUBLIC / "index.csv").open(encoding="utf-8", newline="") as file:
    ROWS = {row["name"]: row for row in csv.DictReader(file)}
POWER = {"M": 6, "B": 9, "T": 12}

# What is refused, and a word of the reason
REFUSED = {
    "bert-bge-large": "encoder of text",
    "t5-encoder": "cross-attention",
    "whisper-large-v3-ft": "speech",
    "llama-3.2-11b-vision": "cross-attention",
    "kimi-k3": "residual banks",
    "opt-350m-layout": "missing",  # its hidden size has a name that transformers doesn't read
}
READ = sorted(set(ROWS) - set(REFUSED))
PUBLISHED = [name for name in READ if ROWS[name]["source_of_count"] != "not found"]
NOT_AS_PRINTED = {
    "ministral3-3b-2512": "the language model alone is 3.43 B",
    "qwen2-vl-7b": "the language model alone is 7.6 B; 8.29 B with its tower",
    "qwen2.5-vl-7b": "the language model alone is 7.6 B; 8.29 B with its tower",
    "internlm2-7b": "7.74 B; `7B` is its family's word",
    "baichuan2-7b": "7.51 B; `7B` is its family's word",
    "mimo-7b": "7.62 B; `7B` is its family's word",
    "olmo2-13b": "13.7 B; `13B` is its family's word",
    "qwen3-30b-a3b": "30.53 B; `30B` is its name",
    "deepseek-v3:active": "37 B leaves the embedding out",
    "deepseek-v2-lite:active": "2.4 B leaves embedding and head out; 2.66 B with them",
    "deepseek-v4-flash:active": "13 B leaves the embedding out",
    "nemotron-3-nano-30b-a3b": "31.58 B; `30B` is its name",
    "nemotron-3-nano-30b-a3b:active": "3.58 B; `A3B` is its name",
    "qwen3.5-35b-a3b:active": "3.45 B, and 0.45 B of its tower; `A3B` is its name",
    "glm-5:active": "40 B leaves the embedding out",
    "gpt-oss-120b:active": "5.1 B leaves the embedding out",
    "glm-4.5-air-base-intellect-3:active": "12 B leaves embedding and head out",
    "kimi-k2.5:active": "32 B leaves the tower out",
}

# Totals and active parameters of the language model, from the classes of transformers 5.24.0 built without memory; and
# of tower and projector.
BUILT = {
    "gpt-oss-120b": (116829156672, 5711982912, 0),
    "qwen2.5-vl-7b": (7615616512, 7615616512, 676550144),
    "qwen2-vl-7b": (7615616512, 7615616512, 675759104),
    "deepseek-v3": (671026404352, 37552282624, 0),
    "glm-4.5-air-base-intellect-3": (106852245504, 13424123904, 0),
    "gemma-4-26b-a4b": (25233141760, 3822530560, 572792112),
    "deepseek-v4-flash": (284332230231, 13799622231, 0),
    "glm-5": (743911199232, 41784709632, 0),
    "llama-4-maverick": (400711848960, 17184691200, 0),
    "llama-3.3-nemotron-super-49b": (49867145216, 49867145216, 0),
    "mamba-2.8b": (2768345600, 2768345600, 0),
    "mimo-v2-flash": (308778768832, 15445924288, 0),
    "nemotron-3-nano-30b-a3b": (31577937344, 3580073408, 0),
    "qwen3.5-27b": (26895998464, 26895998464, 460730096),
    "qwen3.5-35b-a3b": (34660610688, 3454988928, 446571248),
    "step-3.7-flash": (195843833088 + 663552, 10875026688 + 663552, 0),  # the class has 81 words fewer
    "kimi-k2.5": (1026408209408, 32861477888, 471143920),
    "gemma-3-ome": (27009346304, 27009346304, 423060336),
    "devstral-small-2-24b": (23572403200, 23572403200, 438958080),
    "phi-3-ome": (3821079552, 3821079552, 0),
    "phi-3.5-moe": (41873153344, 6640999744, 0),
    "olmo2-13b": (13716198400, 13716198400, 0),
    "olmo-3.1-32b": (32233522176, 32233522176, 0),
    "olmoe-1b-7b": (6919161856, 1282017280, 0),
    "aya-23": (8028033024, 8028033024, 0),
    "stablelm-2-1.6b": (1644515328, 1644515328, 0),
    "arctic": (478584608768, 17318647808, 0),
    "mimo-7b": (7622619136, 7622619136, 0),
    "baichuan2-7b": (7505973248, 7505973248, 0),
    "internlm2-7b": (7737708544, 7737708544, 0),
    "xverse-7b": (7299846144, 7299846144, 0),
    "ministral3-3b-2512": (3429006336, 3429006336, 420083712),
    "starcoder2": (7173923840, 7173923840, 0),
}


def counts(name: str) -> ModelCounts:
    path = PUBLIC / name / "config.json"
    fields = model_from_config(json.loads(path.read_text(encoding="utf-8")), str(path))
    return counts_of(Model.model_validate(fields))


def agrees(count: int, printed: str, known: bool) -> bool:
    """Within 1 % of a count that was read, 2 % of a nominal one, or equal once rounded to the digits printed."""
    match = re.match(r"([\d.]+)([MBT])", printed)
    assert match is not None
    number, scaled = Decimal(match[1]), Decimal(count).scaleb(-POWER[match[2]])
    last_digit = Decimal(1).scaleb(int(number.as_tuple().exponent))
    return abs(scaled / number - 1) <= Decimal("0.01" if known else "0.02") or scaled.quantize(last_digit) == number


def test_the_index_has_every_config() -> None:
    assert set(ROWS) == {path.name for path in PUBLIC.iterdir() if path.is_dir()}
    assert set(REFUSED) < set(ROWS)


@pytest.mark.parametrize("name", PUBLISHED)
def test_public_configs_have_their_published_parameters(name: str) -> None:
    row, found = ROWS[name], counts(name)
    known = "(read)" in row["source_of_count"]
    for printed, count, exception in (
        (row["total_params"], found.parameters, name),
        (row["active_params"], found.active_parameters, f"{name}:active"),
    ):
        same = row["active_params"] == row["total_params"]
        if exception in NOT_AS_PRINTED or (name in NOT_AS_PRINTED and same):
            assert not agrees(count, printed, known), "no exception any more"
        else:
            assert agrees(count, printed, known), (printed, count)


@pytest.mark.parametrize("name", BUILT)
def test_counts_are_those_of_the_classes_themselves(name: str) -> None:
    """What isn't counted, biases of experts, of a head and of outputs and some norms, is below 0.04 %."""
    total, active, vision = BUILT[name]
    found = counts(name)
    assert found.vision_parameters == vision
    assert found.parameters - vision == pytest.approx(total, rel=4e-4)
    assert found.active_parameters - vision == pytest.approx(active, rel=4e-4)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_what_it_is(name: str) -> None:
    with pytest.raises(InputError) as caught:
        counts(name)
    assert REFUSED[name] in str(caught.value)


def test_modules_for_multi_token_prediction_are_counted_apart() -> None:
    module = 7833409536 - 7622619136  # one layer, 2 h^2 and three norms
    assert counts("mimo-7b").mtp_parameters == pytest.approx(module, rel=1e-4)
    assert counts("deepseek-v3").mtp_parameters == pytest.approx(11.6e9, rel=0.01)
    assert counts("qwen3-0.6b").mtp_parameters == 0
