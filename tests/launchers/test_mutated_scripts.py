"""Scripts that are broken in every way end in a scenario or in an error that says why, never in a traceback."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from clustersim.errors import InputError
from clustersim.inputs.load import load_scenario
from clustersim.launchers.importing import import_file

DATA = Path(__file__).parent.parent / "data" / "launchers"
SOURCES = sorted(file for file in DATA.glob("*/*") if ".expected." not in file.name)
WORDS = "$(( )) ${ } \" ' ( ) ` $ = | <<EOF if fi done case [[ ]] -1 0 99999999999999999999 1e99"
BITS = (*WORDS.split(), "None", "[[[[", "é", "--num-layers", "nan", "\\\n", "\x00", "\ue000", ": {", "- -")


def mutated(text: str, draw: random.Random) -> str:
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(text) + 1)
        kind = draw.randrange(5)
        if kind == 0:
            text = text[:at] + draw.choice(BITS) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + draw.randint(1, 40) :]
        elif kind == 2:
            lines = text.splitlines(keepends=True) or [""]
            draw.shuffle(lines)
            text = "".join(lines)
        elif kind == 3:
            text = text[:at] + text[at : at + 60] * draw.randint(2, 5) + text[at:]
        else:
            word = draw.choice(text.split() or ["x"])
            text = text.replace(word, draw.choice(BITS), 1)
    return text


def outcome(path: Path) -> str:
    try:
        load_scenario(import_file(path).scenario)
    except InputError:
        return "refused"
    return "read"


def test_five_hundred_mutated_files_end_in_a_scenario_or_an_error(tmp_path: Path) -> None:
    draw = random.Random(1)
    outcomes = []
    for number in range(500):
        source = SOURCES[number % len(SOURCES)]
        file = tmp_path / f"{number}{source.suffix}"
        file.write_text(mutated(source.read_text(), draw), encoding="utf-8")
        outcomes.append(outcome(file))
    assert {"read", "refused"} == set(outcomes)


@pytest.mark.parametrize(
    "text",
    [
        "A=" + "$(" * 200 + ")" * 200,
        "A=x\n" + "A=$A$A$A$A$A$A$A$A\n" * 40,
        "f() { f; f; }\nf\n",
        "A=B\nB=A\necho $((A))\n",
        "source self.sh\n",
        "echo $((2**62*4))\n",
        "if " * 300,
        "[[ " + "! " * 500 + "x ]]\n",
        "torchrun train.py --num-layers 9" + "9" * 5000 + " --hidden-size 5 --micro-batch-size 1\n",
    ],
    ids=["nested", "doubling", "recursion", "circle", "sources-itself", "overflow", "open", "negations", "digits"],
)
def test_scripts_without_end_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "self.sh"
    file.write_text("#!/bin/bash\n" + text)
    assert outcome(file) == "refused"
