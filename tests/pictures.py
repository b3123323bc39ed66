"""Comparing a figure with the picture of it that was looked at and kept."""

from __future__ import annotations

import os
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images

KEPT = Path(__file__).parent / "data" / "pictures"
UPDATE_VARIABLE = "CLUSTERSIM_KEEP_PICTURES"  # set: keep what is drawn now; look at it before it is committed
TOLERANCE = 3.0  # root mean square of the difference in grey levels of 255


def assert_looks_like(figure: Figure, name: str, folder: Path) -> None:
    """The figure is the kept picture `name`, but for small differences of rendering; `folder` takes what is drawn."""
    kept, drawn = KEPT / f"{name}.png", folder / f"{name}.png"
    figure.savefig(drawn, dpi=60, metadata={"Software": None})
    if os.environ.get(UPDATE_VARIABLE):
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(drawn.read_bytes())
    difference = compare_images(str(kept), str(drawn), TOLERANCE)
    assert difference is None, difference
