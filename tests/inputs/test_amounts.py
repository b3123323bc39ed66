"""Figures and things in words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import clustersim
from clustersim.inputs.amounts import counted


@pytest.mark.parametrize(
    ("many", "noun", "words"),
    [
        (1, "group", "1 group"),
        (0, "point", "0 points"),
        (2, "layer", "2 layers"),
        (1_024, "device", "1,024 devices"),
        (1, "measured run", "1 measured run"),
    ],
)
def test_one_thing_is_in_the_singular(many: int, noun: str, words: str) -> None:
    assert counted(many, noun) == words


def test_no_packaged_text_speaks_of_one_things() -> None:
    root = Path(clustersim.__file__).parent
    wrong = re.compile(r"(?<![\d.,])1 (groups|runs|rows|devices|measured runs|points|layers|nodes|seeds)\b")
    assert [path.name for path in sorted(root.glob("catalog/**/*.yaml")) if wrong.search(path.read_text("utf-8"))] == []
