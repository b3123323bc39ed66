"""Quantities with units: parsed once at the border, SI floats inside."""

from __future__ import annotations

from typing import Annotated

Bytes = Annotated[float, "bytes"]
BytesPerSecond = Annotated[float, "bytes/s"]
FlopsPerSecond = Annotated[float, "FLOP/s"]
Seconds = Annotated[float, "s"]
Watts = Annotated[float, "W"]
DollarsPerHour = Annotated[float, "USD/h"]
Fraction = Annotated[float, "1"]
Count = Annotated[float, "1"]
