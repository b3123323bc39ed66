"""Writing a report down: the document for programs, the page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from clustersim.views.console import PLAIN_WIDTH


def write_report(name: str, page: RenderableType, document: Mapping[str, Any], folder: Path) -> None:
    """Write <name>.json and <name>.txt into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False)
    (folder / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
    with (folder / f"{name}.txt").open("w", encoding="utf-8") as file:
        Console(file=file, width=PLAIN_WIDTH, markup=False, emoji=False, highlight=False).print(page)
