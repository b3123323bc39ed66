"""What a stored result depends on beside its scenario: the code that played it and the data packaged with that code.

A digest of the files themselves, so that no row outlives a change of what made it. `PHYSICS_VERSION` names such changes
for people; nothing here trusts that somebody raised it.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path

from clustersim.version import __version__

PREDICTIONS = (  # rooms and files of the package that a row is made by; a test follows every import of `points.py`
    "inputs",
    "workload",
    "costs",
    "engines",
    "schedules",
    "simulation",
    "studies/layouts",
    "studies/sweeps/points.py",
    "studies/sweeps/result_columns.py",
    "errors.py",
    "inert.py",
    "randomness.py",
    "catalog/measured/evidence.json",
    "catalog/measured/memory_evidence.json",
)


@cache
def code_digest() -> str:
    """64 hexadecimal digits: SHA-256 over names and contents of all files of PREDICTIONS. About 5 ms, once."""
    package = Path(str(files("clustersim")))
    total = hashlib.sha256(__version__.encode())
    for part in PREDICTIONS:
        place = package / part
        found = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        for file in found:
            content = hashlib.sha256(file.read_bytes()).digest()
            total.update(file.relative_to(package).as_posix().encode() + b"\0" + content)
    return total.hexdigest()
