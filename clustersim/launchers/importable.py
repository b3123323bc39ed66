"""Which files are launchers' by their names: asked of every scenario, before any reader is imported."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".sh", ".bash", ".sbatch", ".slurm", ".toml", ".log")


def is_importable(path: str | Path) -> bool:
    """Whether a path is a launcher's file by its name, so that `run` imports it."""
    file = Path(path)
    return file.suffix.lower() in SUFFIXES and file.is_file()
