"""Writing a report down: the document for programs, the page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from clustersim.inert import inert_json
from clustersim.views.console import plain_text


def write_report(name: str, page: RenderableType, document: Mapping[str, Any], folder: Path) -> None:
    """Write <name>.json and <name>.txt into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = inert_json(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False))
    (folder / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
    (folder / f"{name}.txt").write_text(plain_text(page), encoding="utf-8")
