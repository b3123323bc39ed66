"""Every exception that clustersim raises on purpose.

ClustersimError
├── InputError            a file, a flag or a reference is wrong; lists every problem (exit code 2)
├── InfeasibleError       a well-formed scenario cannot run, for instance for lack of memory (exit code 3)
├── UnsupportedGraphError an engine was given a task graph that it cannot represent
├── DeadlockError         tasks wait for each other, so a task graph never ends
├── WorkersLostError      worker processes, or the scheduler of a Dask cluster, ended before their work did
└── MissingExtraError     an optional package is not installed; names the pip command
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clustersim.inert import inert


class ClustersimError(Exception):
    """The root of the tree: catch this to catch everything that clustersim raises on purpose."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input: where it stands, what it is, what would be accepted."""

    message: str
    key: str = ""
    line: int | None = None
    file: str = ""  # where it isn't the file that the error is about
    misfit: bool = False  # well formed by itself, but at odds with another part of the scenario

    def __str__(self) -> str:
        place = " ".join([self.file] * bool(self.file) + [f"line {self.line}"] * (self.line is not None))
        what = f"{self.key}: {self.message}" if self.key else self.message
        return inert(f"{place:<8} {what}" if place else what)


class InputError(ClustersimError):
    """An input is wrong; `problems` holds every mistake found in it, not the first alone."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problem{'s' if len(self.problems) != 1 else ''}"
        super().__init__("\n".join([f"{inert(source)}: {count}", *(f"  {problem}" for problem in self.problems)]))

    def __reduce__(self) -> tuple[type[InputError], tuple[str, tuple[Problem, ...]]]:
        """Pickle by the arguments, so that the error survives the way home from a worker process."""
        return InputError, (self.source, self.problems)


class InfeasibleError(ClustersimError):
    """A scenario is well formed but cannot run; the message says why and what would help."""


class UnsupportedGraphError(ClustersimError):
    """A task graph holds something that the chosen engine cannot represent."""


class DeadlockError(ClustersimError):
    """Tasks wait for each other in a circle, so that some never start."""


class WorkersLostError(ClustersimError):
    """Worker processes, or what hands work to them, were lost; the message says whether to try again."""


class MissingExtraError(ClustersimError):
    """An optional package is missing."""

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(f"{package} is not installed. Install it with: pip install 'clustersim[{extra}]'")

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Pickle by the arguments."""
        return MissingExtraError, (self.package, self.extra)
