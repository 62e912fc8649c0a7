import math
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.times import Form, iso, of_cell, parse, read, utc

_PLAUSIBLE = st.integers(946_684_800, int(time.time()))


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


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", "soon", "nan", "inf", "2024-13-01", True, math.nan, math.inf, -1760000000),
        *(0, 1, 12.5, 1_000_000, "1.76E+12", "251009085320", 638_000_000_000_000_000, "1e9"),
        *("10/09/2025 08:53", "09.10.2025", "13/09/2025", "08:53:20", "2025-10-09 08:53 CST"),
        *("2025-10-09 25:00:00", "2025/2/30", "1970-01-01", "1899-12-30 00:00:00", "9999-12-31"),
        *(
            "20251309085320",
            "99999999999999",
            "4102444800",
            "2025-10-09 13:00 PM",
            "2025-10-09 24:00:01",
            "2025-10-09 25:00",
            "2025-10-09-08-53-20",
            "2025-10-09 08:53:20[Asia/Shanghai]",
            "Thu Oct 9 08:53:20 CST 2025",
            "Sept. 31, 2025",
            "Jun/Jul 9, 2025",
            "Foo 9 Oct 2025",
            "October 9",
            "20251301 085320",
            "\x00",
            "1" * 400,
        ),
    ],
)
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="seconds since 1970 or ISO 8601"):
        parse(value)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("1732456789000", Form.MILLISECONDS),
        (1732456789000.0, Form.MILLISECONDS),
        ("1732456789000000", Form.MICROSECONDS),
        ("1732456789000000000", Form.NANOSECONDS),
        (1732456789 * 10**9, Form.NANOSECONDS),
        ("1,732,456,789", Form.SECONDS),
        ("1732456789,0", Form.SECONDS),
        ("'1732456789", Form.SECONDS),
    ],
)
def test_units_are_told_apart(value: object, form: Form) -> None:
    assert read(value) == (1732456789.0, form)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("20251009085320", Form.DIGITS),
        (20251009085320, Form.DIGITS),
        (20251009085320.0, Form.DIGITS),
        ("20251009085320000", Form.DIGITS),
        ("20251009085320.0", Form.DIGITS),
        (45939.370370370370, Form.SPREADSHEET_DAYS),
        ("45939.3703703704", Form.SPREADSHEET_DAYS),
        ("45939,3703703704", Form.SPREADSHEET_DAYS),
        ("2025-10-09 08:53:20", Form.DATE),
        ("2025/10/9 8:53:20", Form.DATE),
        ("2025/10/9 8:53:20 AM", Form.DATE),
        ("2025/10/9 \u4e0a\u53488:53:20", Form.DATE),
        ("2025.10.09 08:53:20", Form.DATE),
        ("2025\u5e7410\u67089\u65e5 08:53:20", Form.DATE),
        ("2025\u5e7410\u67089\u65e5 8\u65f653\u520620\u79d2", Form.DATE),
        ("09-Oct-2025 08:53:20", Form.DATE),
        ("20251009T085320", Form.DATE),
        ("Thu Oct  9 08:53:20 2025", Form.DATE),
        ("Thu, 9 October 2025 8:53:20", Form.DATE),
        ("Oct 9, 2025 8:53:20 AM", Form.DATE),
        ("20251009 085320", Form.DIGITS),
        ("20251009-085320", Form.DIGITS),
        ("20251009_085320", Form.DIGITS),
        (datetime(2025, 10, 9, 8, 53, 20), Form.DATE),
    ],
)
def test_without_a_zone_a_time_is_the_machines(value: object, form: Form) -> None:
    assert read(value) == (datetime(2025, 10, 9, 8, 53, 20).timestamp(), form)


def test_dates_have_zones_halves_of_a_day_and_parts_of_a_second() -> None:
    expected = datetime(2025, 10, 9, 20, 53, 20, 500_000, UTC).timestamp()
    assert parse("Thu, 09 Oct 2025 20:53:20.5 GMT") == expected
    assert parse("2025/10/10 04:53:20,500 +0800") == expected
    assert parse("2025/10/9 8:53:20.5 PM UTC") == expected
    assert parse("2025-10-09T20:53:20.5Z[UTC]") == expected
    assert parse("2025-10-10T04:53:20.5+08:00[Asia/Shanghai]") == expected
    assert parse("2025-10-10 04:53:20.5 UTC+8") == expected
    assert parse("2025-10-09T12:53:20.5\u221208:00") == expected
    assert parse("20:53:20.500 UTC Thu Oct 9 2025") == expected
    assert parse("*20:53:20.500 UTC Thu Oct 9 2025") == expected
    assert parse("/Date(1760043200500)/") == expected
    assert parse("2025-10-09 24:00:00") == parse("2025-10-10")
    assert parse("2025-10-09-20.53.20.5") == parse("2025-10-09 20:53:20.5")
    assert parse("\ufeff2025-10-09\u200e 20.53.20") == parse("2025-10-09 20:53:20")
    assert parse(date(2025, 10, 9)) == parse("20251009") == parse("2025-10-09") == parse(45939)


@given(_PLAUSIBLE, st.sampled_from([1, 10**3, 10**6, 10**9]))
def test_a_plausible_time_is_read_in_whatever_unit(seconds: int, per_second: int) -> None:
    assert parse(seconds * per_second) == parse(str(seconds * per_second)) == seconds


@given(_PLAUSIBLE)
def test_a_plausible_time_is_read_from_digits_and_days(seconds: int) -> None:
    local = datetime.fromtimestamp(seconds)
    assert parse(local.strftime("%Y%m%d%H%M%S")) == local.timestamp()
    days = (local - datetime(1899, 12, 30)) / timedelta(days=1)
    if seconds > 946_800_000:
        assert parse(repr(days)) == local.timestamp()


@given(st.text(max_size=30) | st.floats() | st.integers())
def test_any_value_is_a_plausible_time_or_refused(value: object) -> None:
    try:
        seconds = parse(value)
    except ValueError as error:
        assert "seconds since 1970" in str(error)
    else:
        assert 1980 <= utc(seconds).year <= utc(time.time()).year + 2


@given(st.floats(allow_nan=False))
def test_any_moment_can_be_printed(seconds: float) -> None:
    assert iso(seconds)


@pytest.mark.parametrize(
    "value",
    ["", " ", None, "0000-00-00", "0000-00-00 00:00:00.000000", "0000-00-00T00:00:00"],
)
def test_an_empty_cell_and_a_database_s_zeros_give_no_time(value: object) -> None:
    assert math.isnan(of_cell(value))


@pytest.mark.parametrize("value", ["yesterday", "0000-00-01", "0000-00-00 09:30:00", "nan", 0])
def test_a_time_that_can_t_be_read_is_not_taken_for_none(value: object) -> None:
    with pytest.raises(ValueError, match="time is"):
        of_cell(value)


def test_a_time_that_is_given_is_read() -> None:
    assert of_cell("1760000500") == of_cell("2025-10-09 09:01:40+00:00") == 1760000500
