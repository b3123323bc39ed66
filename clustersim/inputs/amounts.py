"""Figures of claims in words: a number with its unit."""

from __future__ import annotations

from clustersim.inputs.units import format_quantity

MANY = 1e6
DATA = 1e12  # bytes from which on they are data and counted in decimal, not memory


def amount(value: float, unit: str) -> str:
    """A figure with its unit: 82.0 %, 512 PFLOP/s, 13.75 s, 2.664M device-hours."""
    if unit == "%":
        return f"{100 * value:.1f} %" if value < 10 else f"{number(100 * value)} %"
    if unit == "bytes" and value >= DATA:
        return f"{number(value / 1e12)} TB" if value < 1e15 else f"{number(value / 1e15)} PB"
    if unit in ("FLOP/s", "s", "bytes"):
        return format_quantity(value, unit)
    many = number(value)
    return f"{many} {unit.removesuffix('s') if many == '1' and unit.endswith(('days', 'hours')) else unit}"


def number(value: float) -> str:
    """A plain number in about four digits: 6.5, 4,267, 83.2M, 175B."""
    if value >= MANY:
        return format_quantity(value, "count").replace("G", "B")
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def whole(value: float) -> str:
    """A number of things: 1,764."""
    return number(value) if value >= MANY else f"{value:,.0f}"


def times(factor: float) -> str:
    """How often one figure goes into another: 2.23 times."""
    return f"{number(factor) if factor >= 10 else f'{factor:.2f}'} times"


def counted(many: int, noun: str) -> str:
    """So many things in words: 1 group, 34 groups, 0 points; the noun in the singular, its plural with an s."""
    return f"{many:,} {noun}{'' if many == 1 else 's'}"
