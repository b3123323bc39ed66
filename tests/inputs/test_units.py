from __future__ import annotations

import math
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from clustersim.inputs.units import (
    DIMENSIONS,
    Bytes,
    BytesPerSecond,
    Count,
    Fraction,
    format_quantity,
    parse_quantity,
    shown,
)

PARSED = [
    ("80 GiB", "bytes", 80 * 2**30),
    ("80GB", "bytes", 80e9),
    ("64 Gb", "bytes", 8e9),
    ("40 KB", "bytes", 40e3),
    ("25 GB/s", "bytes/s", 25e9),
    ("200 Gb/s", "bytes/s", 25e9),
    ("200 Gbps", "bytes/s", 25e9),
    ("200 Gbit/s", "bytes/s", 25e9),
    ("3.35 TB/s", "bytes/s", 3.35e12),
    ("1 GiB/s", "bytes/s", 2**30),
    ("353.9 TFLOP/s", "FLOP/s", 353.9e12),
    ("312 TFLOPS", "FLOP/s", 312e12),
    ("312 TFLOP", "FLOP/s", 312e12),
    ("512 PFLOP/s", "FLOP/s", 512e15),
    (989e12, "FLOP/s", 989e12),
    ("10 us", "s", 10e-6),
    ("70 us", "s", 7e-5),
    ("5 µs", "s", 5e-6),
    ("0.4 ms", "s", 0.4e-3),
    ("2 days", "s", 172800.0),
    (3, "s", 3.0),
    ("400 W", "W", 400.0),
    ("1.2 kW", "W", 1200.0),
    ("2.29 USD/h", "USD/h", 2.29),
    ("$2/h", "USD/h", 2.0),
    ("$ 1.5/hour", "USD/h", 1.5),
    ("82 %", "fraction", 0.82),
    ("11.7%", "fraction", 0.117),
    (0.82, "fraction", 0.82),
    ("130 %", "ratio", 1.3),
    (2.5, "ratio", 2.5),
    ("0.5", "fraction", 0.5),
    ("14.8T", "count", 14.8e12),
    ("300G", "count", 300e9),
    ("300B", "count", 300e9),
    ("175e9", "count", 175e9),
    ("1.5e3 k", "count", 1.5e6),
    ("0 GB", "bytes", 0.0),
]


@pytest.mark.parametrize(("written", "dimension", "value"), PARSED)
def test_reads_quantity_exactly(written: object, dimension: str, value: float) -> None:
    assert parse_quantity(written, dimension) == value


REFUSED = [
    ("80 GiB", "bytes/s", 'GiB is a unit of bytes. Accepted: "25 GB/s", "200 Gb/s"'),
    ("80 GB/s", "bytes", "GB/s is a unit of bytes/s"),
    ("80 WW", "W", 'unknown unit "WW". Accepted: "400 W"'),
    ("a lot", "W", "is not a quantity"),
    ("", "W", "is not a quantity"),
    ("1 2", "count", "is not a quantity"),
    ("1.2.3 GB", "bytes", "is not a quantity"),
    (True, "W", "is not a quantity"),
    (None, "count", "is not a quantity"),
    ([1], "count", "is not a quantity"),
    ("-5 W", "W", "is negative"),
    (-1e-9, "s", "is negative"),
    (math.nan, "count", "is not a finite number"),
    (math.inf, "count", "is not a finite number"),
    ("1e999 GB", "bytes", "is not a finite number"),
    (10**400, "count", "is not a finite number"),
    (82, "fraction", '82 is more than 1. Accepted: "82 %"'),
    ("130 %", "fraction", "is more than 1"),
    ("$2", "USD/h", "$ is a unit of USD"),
    ("5 %", "bytes", "% is a unit of fractions"),
    ("2 EUR/h", "USD/h", 'unknown unit "EUR/h"'),
]


@pytest.mark.parametrize(("written", "dimension", "message"), REFUSED)
def test_refusal_says_what_is_accepted(written: object, dimension: str, message: str) -> None:
    with pytest.raises(ValueError, match="Accepted: ") as caught:
        parse_quantity(written, dimension)
    assert message in str(caught.value)


def test_decimal_and_binary_bits_and_bytes_stay_apart() -> None:
    sizes = [parse_quantity(f"1 {unit}", "bytes") for unit in ("GB", "GiB", "Gb", "Gib")]
    assert sizes == [1e9, 2**30, 1e9 / 8, 2**30 / 8]


class Sheet(BaseModel):
    model_config = {"strict": True}

    capacity: Annotated[Bytes, Field(gt=0, description="on the package")]
    bandwidth: BytesPerSecond | None = None
    share: Fraction = 1.0
    tokens: Count = 0.0


def test_pydantic_fields_read_quantities() -> None:
    sheet = Sheet(capacity="64 GiB", bandwidth="200 Gb/s", share="82 %", tokens="14.8T")  # type: ignore[arg-type]
    assert sheet == Sheet(capacity=2.0**36, bandwidth=25e9, share=0.82, tokens=14.8e12)


def test_pydantic_errors_name_every_field_and_carry_the_plain_message() -> None:
    with pytest.raises(ValidationError) as caught:
        Sheet.model_validate({"capacity": "0 GB", "bandwidth": "64 GiB", "share": 2})
    messages = {str(error["loc"][0]): error["msg"] for error in caught.value.errors()}
    assert set(messages) == {"capacity", "bandwidth", "share"}
    assert messages["capacity"] == "Input should be greater than 0"
    assert messages["bandwidth"].startswith('"64 GiB": GiB is a unit of bytes.')


def test_json_schema_takes_numbers_and_strings_with_examples() -> None:
    schema = Sheet.model_json_schema()["properties"]
    assert schema["capacity"]["anyOf"] == [{"type": "number", "minimum": 0}, {"type": "string"}]
    assert schema["capacity"]["description"] == "on the package"
    assert schema["capacity"]["examples"] == ["80 GiB", "64 GB"]
    assert schema["share"]["anyOf"][0]["maximum"] == 1.0
    assert "14.8T" in schema["tokens"]["description"]


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (353.9e12, "FLOP/s", "353.9 TFLOP/s"),
        (512e15, "FLOP/s", "512 PFLOP/s"),
        (80 * 2**30, "bytes", "80 GiB"),
        (25e9, "bytes/s", "25 GB/s"),
        (1e-5, "s", "10 us"),
        (19.93, "s", "19.93 s"),
        (900, "s", "15 min"),
        (4 * 3600, "s", "4 h"),
        (54 * 86400, "s", "54 days"),
        (400, "W", "400 W"),
        (2.29, "USD/h", "2.29 USD/h"),
        (0.82, "fraction", "82 %"),
        (1.3, "ratio", "130 %"),
        (14.8e12, "count", "14.8T"),
        (6.5 / 86.4e6, "1/s", "6.5 /1000 d"),
        (3 / 86400, "1/s", "3 /d"),
        (0, "bytes", "0 B"),
        (math.inf, "s", "inf"),
        (math.nan, "W", "nan"),
    ],
)
def test_formats_for_people(value: float, dimension: str, text: str) -> None:
    assert format_quantity(value, dimension) == text


@given(st.sampled_from(sorted(DIMENSIONS)), st.floats(1, 1e20))
def test_what_is_printed_reads_back(dimension: str, value: float) -> None:
    value = value if dimension != "fraction" else 1 / value
    assert parse_quantity(format_quantity(value, dimension), dimension) == pytest.approx(value, rel=6e-4)


def test_long_values_are_cut_in_messages() -> None:
    assert shown("x" * 100) == f'"{"x" * 56}...'
    assert len(shown(list(range(100)))) == 60
    assert [shown(value) for value in (None, {"a": 1}, True, 1.5)] == ["nothing", "a mapping", "true", "1.5"]
