import math
from datetime import UTC, datetime

import pytest

from audio_model.times import iso, parse, utc


def test_what_is_printed_is_read_back() -> None:
    assert iso(1732456789.9) == "2024-11-24T13:59:49+00:00"
    assert parse(iso(1732456789.9)) == 1732456789.0
    assert iso(math.nan) == ""


@pytest.mark.parametrize(
    "value",
    [
        1732456789,
        1732456789.0,
        " 1732456789 ",
        "2024-11-24T13:59:49Z",
        "2024-11-24 14:59:49+01:00",
        datetime(2024, 11, 24, 13, 59, 49, tzinfo=UTC),
    ],
)
def test_tables_write_times_in_many_ways(value: object) -> None:
    assert parse(value) == 1732456789.0
    assert utc(parse(value)).year == 2024


@pytest.mark.parametrize("value", [None, "", "soon", "nan", "inf", "2024-13-01", True])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="seconds since 1970 or ISO 8601"):
        parse(value)
