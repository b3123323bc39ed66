"""How long work tells its caller how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]  # called with what is done, and with what there is in all
Status = Callable[[str], None]  # called with a few words on what is being done
