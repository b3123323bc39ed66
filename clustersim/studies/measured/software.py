"""The software of a measured run: its stack, and what the row's columns and script say of it otherwise.

A row's slug names a stack, or a family of them: then the framework's words tell the release (`frameworks.yaml`). A slug
that the catalog lacks is looked for among these words, too, before the nearest stack stands in.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from clustersim.inputs.catalog import load, names, plain_document
from clustersim.inputs.references import is_path
from clustersim.inputs.stack import Stack
from clustersim.simulation.evidence import evidence
from clustersim.studies.measured.csv_cells import CsvRow, flag, problem, text, whole
from clustersim.studies.measured.script_flags import script_flags
from clustersim.studies.measured.words import recompute_words

COMMON_WORDS = ("", "llm", "moe", "dev", "v0", "training")  # that say nothing of whose software it is


def stack_of(row: CsvRow, notes: list[str]) -> str:
    """The name of the stack that a row ran: its own, its release, or the nearest known one of the chip's vendor."""
    wanted = text(row, "stack")
    if is_path(wanted):  # a user's own, as `calibrate --extends` gives it
        return wanted
    release = _by_framework(row, wanted)
    if release:
        notes.append(f"{text(row, 'framework')}: taken as {release}")
        return release
    return wanted if wanted in names("stacks") else _nearest(row, wanted, notes)


def stack_as_run(row: CsvRow, slug: str, notes: list[str]) -> str | dict[str, Any]:
    """The stack, with what the row says of it: whether attention is fused, how checkpoints recompute, grouped products.

    PyTorch's checkpoints without re-entry came to llm-foundry together with its default of reducing in fp32.
    """
    stack: Stack = load("stacks", slug)
    changes: dict[str, Any] = {}
    fused = flag(row, "flash_attention")
    if fused is not None and fused != stack.fused_attention:
        notes.append(f"attention is {'fused' if fused else 'unfused'}, unlike the default of {slug}")
        changes["fused_attention"] = fused
    if stack.checkpoint_early_stop and text(row, "grad_reduce_precision") in ("bf16", "fp16"):
        notes.append("gradients reduced in 16 bits: taken as the older release, which recomputes whole layers")
        changes["checkpoint_early_stop"] = False
    if script_flags(row).get("moe-grouped-gemm") == "True" and not stack.grouped_products:
        notes.append("its script multiplies the tokens of all experts in one kernel (--moe-grouped-gemm)")
        changes |= {"grouped_products": True, "sequential_experts": False}
    _, modules = recompute_words(row, [])
    if modules:
        changes["selective_recompute"] = list(modules)
    return {"extends": slug} | changes if changes else slug


def _by_framework(row: CsvRow, slug: str) -> str | None:
    """The release that the source's words name; None where they name none, or the slug itself."""
    framework, notes, known = text(row, "framework"), text(row, "notes"), names("stacks")
    for entry in _entries():
        said = entry.get("said", ())
        words = framework if slug in known else f"{slug} {framework}"
        fits = (slug in entry["of"] or slug not in known) and _occurs(entry["framework"], words)
        if fits and (not said or any(_occurs(words, notes) for words in said)):
            return None if entry["stack"] == slug else str(entry["stack"])
    return None


@lru_cache(maxsize=1)
def _entries() -> tuple[dict[str, Any], ...]:
    return tuple(plain_document("measured", "frameworks")["entries"])


def _occurs(words: str, prose: str) -> bool:
    """Whether words occur as they are, whatever their case: release 26.02 is not in 26.02.01."""
    return re.search(rf"(?<![\w.]){re.escape(words)}(?![\w.]*\w)", prose, re.IGNORECASE) is not None


def _nearest(row: CsvRow, wanted: str, notes: list[str]) -> str:
    """The nearest known stack of the accelerator's vendor: by the slug's words, then by those of the framework's name,
    then by year, then by its measured runs.
    """
    stacks = {slug: load("stacks", slug) for slug in names("stacks")}
    vendor = load("accelerators", text(row, "accelerator")).vendor
    fitting = {slug: stack for slug, stack in stacks.items() if vendor in stack.vendors and stack.release is None}
    if not fitting:
        raise problem(row, "stack", f"no stack for chips of {vendor} in the catalog")
    year = whole(row, "year") or _year_in(wanted) or max(stack.year for stack in fitting.values())
    slug_words, framework = _words(wanted), _words(text(row, "framework"))

    def likeness(slug: str) -> tuple[int, int, int, int, str]:
        known, words = evidence().stacks.get(fitting[slug].name), _words(slug)
        shared, said = len(slug_words & words), len(framework & words)
        return shared, said, -abs(fitting[slug].year - year), 0 if known is None else known.rows, slug

    nearest = max(fitting, key=likeness)
    notes.append(f"stack {wanted or '(not stated)'} is not in the catalog: {nearest} stands in")
    return nearest


def _words(name: str) -> set[str]:
    words = (word for word in re.split(r"[^a-z0-9.]+", name.lower()) if not word.isdecimal())
    return {word for word in words if word not in COMMON_WORDS}


def _year_in(slug: str) -> int | None:
    return next((int(word) for word in slug.split("-") if word.isdecimal() and len(word) == 4), None)
