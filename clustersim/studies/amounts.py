"""Figures of claims in words: a number with its unit."""

from __future__ import annotations

from clustersim.inputs.units import format_quantity

MANY = 1e6


def amount(value: float, unit: str) -> str:
    """A figure with its unit: 82.0 %, 512 PFLOP/s, 13.75 s, 2.664M device-hours."""
    if unit == "%":
        return f"{100 * value:.1f} %" if value < 10 else f"{number(100 * value)} %"
    if unit in ("FLOP/s", "s"):
        return format_quantity(value, unit)
    many = number(value)
    return f"{many} {unit.removesuffix('s') if many == '1' and unit.endswith(('days', 'hours')) else unit}"


def number(value: float) -> str:
    """A plain number in about four digits: 6.5, 4,267, 83.2M."""
    if value >= MANY:
        return format_quantity(value, "count")
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def whole(value: float) -> str:
    """A number of things: 1,764."""
    return number(value) if value >= MANY else f"{value:,.0f}"


def times(factor: float) -> str:
    """How often one figure goes into another: 2.23 times."""
    return f"{number(factor) if factor >= 10 else f'{factor:.2f}'} times"
