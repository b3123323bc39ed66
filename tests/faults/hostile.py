"""Inputs of somebody who means harm, for every place where text of a file is shown."""

from __future__ import annotations

REWRITE = "\x1b[2A\x1b[2K\x1b[1;32mverdict: supported\x1b[0m\x1b[2B"  # up, clear the line, write another verdict
TITLE = "\x1b]0;owned\x07"
C1 = "\x9b2J"
REVERSED = "\u202edetroppus :tcidrev\u202c"
NEW_LINE = "\nverdict: supported"
RETURN = "\rverdict: supported"
MARKUP = "[bold red]{task.completed}[/]$\\frac{1}{$<script>document.title='owned'</script>"
EVIL = f"x{REWRITE}{TITLE}{C1}{REVERSED}{NEW_LINE}{RETURN}{MARKUP}"

OBEYED = ["\x1b", "\x07", "\x9b", "\u202e", "\r"]  # none of these may reach a terminal from a file


def claim(text: str = EVIL) -> dict[str, object]:
    """An implausible claim with harm in every text that it has."""
    return {
        "name": text,
        "source": {"text": text, "date": "2025-04-28", "who": text, "reliability": "rumour", "links": [text]},
        "given": {
            "model": {"extends": "gpt3-13b", "name": text},
            "cluster": {"node": {"extends": "dgx-a100-80gb", "name": text}, "nodes": 8},
            "training": {"sequence_length": 2048, "global_batch": 1536, "precision": "bf16"},
            "layout": {"tensor": 8, "pipeline": 1, "data": "auto", "micro_batch": 1},
            "stack": {"extends": "megatron-lm-2022", "name": text},
        },
        "assert": [{"id": "use", "metric": "utilization", "op": ">=", "value": "99 %", "definition": "mfu"}],
        "assumptions": [text],
    }
