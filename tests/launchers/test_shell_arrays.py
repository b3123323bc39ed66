"""Arrays in quotes: `[@]` is a word an entry, `[*]` is one word: a launch in `bash -c "..."` keeps all its flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustersim.inputs.load import load_scenario
from clustersim.launchers.importing import import_file
from clustersim.launchers.shell import interpret

ARRAY = 'A=(--x 1 "two words")\nset -- p q\n'


def words(command: str) -> list[str]:
    script = interpret(f"{ARRAY}{command}\n", Path())
    return [word.text for word in script.commands[-1].words]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ('run "${A[@]}"', ["run", "--x", "1", "two words"]),
        ('run "${A[*]}"', ["run", "--x 1 two words"]),
        ('run "a ${A[*]} b"', ["run", "a --x 1 two words b"]),
        ("run ${A[*]}", ["run", "--x", "1", "two", "words"]),
        ('B=()\nrun "a${B[*]}b"', ["run", "ab"]),
    ],
)
def test_an_array_is_words_or_one_word(command: str, expected: list[str]) -> None:
    assert words(command) == expected


def test_a_launch_in_another_shell_keeps_the_flags_of_an_array(tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text(
        "ARGS=(--bf16 --sequence-parallel)\nARGS+=( --use-distributed-optimizer --overlap-grad-reduce )\n"
        'MODEL="--num-layers 32 --hidden-size 4096 --num-attention-heads 32 --seq-length 4096 --micro-batch-size 1"\n'
        'srun bash -c "\n  torchrun --nnodes 2 --nproc-per-node 8 pretrain_gpt.py $MODEL --swiglu '
        '--tensor-model-parallel-size 4 ${ARGS[*]}\n"\n'
    )
    scenario = load_scenario(import_file(script).scenario)
    layout = scenario.resolved_layout
    assert (layout.sequence_parallel, layout.sharding, layout.data) == (True, "zero1", 4)
    assert "grad_reduce" in layout.overlap
    assert scenario.training.precision == "bf16"
