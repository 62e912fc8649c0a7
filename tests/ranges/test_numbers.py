import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from audio_model.ranges.numbers import MAX_DIGITS, UNREADABLE, WITHHELD, Flag, NumberKind, normalise


@pytest.mark.parametrize(
    ("text", "key", "kind"),
    [
        ("95588", "95588", NumberKind.SERVICE),
        ("952130", "952130", NumberKind.SERVICE),
        ("95213001", "95213001", NumberKind.SERVICE),
        ("95213-001", "95213001", NumberKind.SERVICE),
        ("+8695588", "95588", NumberKind.SERVICE),
        ("008695588", "95588", NumberKind.SERVICE),
        ("\uff19\uff15\uff15\uff18\uff18", "95588", NumberKind.SERVICE),
        ("sip:95588@gateway.example;user=phone", "95588", NumberKind.SERVICE),
        ("95013123456", "95013123456", NumberKind.SERVICE),
        ("96110", "96110", NumberKind.SERVICE),
        ("10086", "10086", NumberKind.SERVICE),
        ("110", "110", NumberKind.SERVICE),
        ("12345", "12345", NumberKind.SERVICE),
        ("13912345678", "+8613912345678", NumberKind.MOBILE),
        ("0139 1234 5678", "+8613912345678", NumberKind.MOBILE),
        ("8613912345678", "+8613912345678", NumberKind.MOBILE),
        ("tel:+86-139-1234-5678", "+8613912345678", NumberKind.MOBILE),
        ("010-88886666", "+861088886666", NumberKind.LANDLINE),
        ("(0755) 8288 1234", "+8675582881234", NumberKind.LANDLINE),
        ("09515012345", "+869515012345", NumberKind.LANDLINE),
        ("+869515012345", "+869515012345", NumberKind.LANDLINE),
        ("09500123456", "9500123456", NumberKind.SERVICE),
        ("4008123123", "+864008123123", NumberKind.SHARED_COST),
        ("800-810-1234", "+868008101234", NumberKind.TOLL_FREE),
        ("+44 20 8366 1177", "+442083661177", NumberKind.FOREIGN),
        ("+85223456789", "+85223456789", NumberKind.FOREIGN),
        ("anonymous", "withheld", NumberKind.WITHHELD),
        ("", "withheld", NumberKind.WITHHELD),
    ],
)
def test_a_number_has_one_key_however_it_is_written(text: str, key: str, kind: NumberKind) -> None:
    number = normalise(text)
    assert (number.key, number.kind, number.flag) == (key, kind, None)


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("952130011", Flag.TOO_LONG),
        ("9558812", Flag.TOO_LONG),
        ("9521300112233", Flag.TOO_LONG),
        ("96123456", Flag.TOO_LONG),
        ("95213", Flag.WRONG_LENGTH),
        ("950131234", Flag.WRONG_LENGTH),
        ("9581234", Flag.UNASSIGNED_PREFIX),
        ("95912", Flag.UNASSIGNED_PREFIX),
        ("139123456789012", Flag.WRONG_LENGTH),
        ("11010088888888", Flag.WRONG_LENGTH),
        ("14912345678", Flag.UNASSIGNED_PREFIX),
        ("02612345678", Flag.UNASSIGNED_PREFIX),
        ("not a number", Flag.MALFORMED),
        ("+", Flag.MALFORMED),
    ],
)
def test_what_nobody_can_own_is_flagged_on_a_branch_of_its_own(text: str, flag: Flag) -> None:
    number = normalise(text)
    assert (number.kind, number.flag) == (NumberKind.IMPLAUSIBLE, flag)
    assert all(prefix.startswith("?") for prefix in number.prefixes)


def test_prefixes_grow_by_a_digit_to_the_number_itself() -> None:
    number = normalise("95213001")
    assert number.prefixes == ("952", "9521", "95213", "952130", "9521300", "95213001")
    assert number.prefixes[number.too_wide] == "95213"


@pytest.mark.parametrize(
    ("text", "widest"),
    [("13912345678", "+861391234"), ("01088886666", "+861088886"), ("95588", "95588")],
)
def test_networks_and_cities_are_too_wide_for_a_breaker(text: str, widest: str) -> None:
    number = normalise(text)
    assert number.prefixes[number.too_wide] == widest


@pytest.mark.parametrize(
    ("text", "key", "kind"),
    [
        ("+9592123456", "+9592123456", NumberKind.FOREIGN),
        ("+966512345678", "+966512345678", NumberKind.FOREIGN),
        ("00966512345678", "+966512345678", NumberKind.FOREIGN),
        ("+9647912345678", "+9647912345678", NumberKind.FOREIGN),
        ("+95588", "?+95588", NumberKind.IMPLAUSIBLE),
        ("0095588", "?+95588", NumberKind.IMPLAUSIBLE),
        ("+10086", "?+10086", NumberKind.IMPLAUSIBLE),
        ("+13912345678", "?+13912345678", NumberKind.IMPLAUSIBLE),
        ("+8695588", "95588", NumberKind.SERVICE),
        ("+0086 139 1234 5678", "+8613912345678", NumberKind.MOBILE),
    ],
)
def test_behind_plus_and_00_the_country_comes_first(text: str, key: str, kind: NumberKind) -> None:
    assert (normalise(text).key, normalise(text).kind) == (key, kind)


def test_withheld_numbers_have_no_breaker() -> None:
    number = normalise("anonymous")
    assert number.prefixes[number.too_wide :] == ()


@pytest.mark.parametrize(
    "text",
    [
        "0086 10 8888 6666-8001",
        "95588-0",
        "95588 0",
        "95588-8001",
        "13912345678-1",
        "17012345678-0001",
        "400-810-8888-1",
    ],
)
def test_an_extension_makes_no_other_owner_s_number(text: str) -> None:
    number = normalise(text)
    assert (number.key, number.flag) == (UNREADABLE, Flag.MALFORMED)
    assert number.prefixes[number.too_wide :] == ()


def _parts_digits(char: str) -> bool:
    # Behind "%" and "&" the digits may be a character's code.
    return char not in "%&" and not char.isdecimal() and unicodedata.category(char)[0] not in "LMN"


_SEPARATORS = st.text(
    st.sampled_from(
        "-()[]{}<>.,/\\*#~:_ \t\u00a0\u00ad\u200b\u2009\u3000\uff08\uff09\u2013\u00b7\u0000"
    )
    | st.characters(exclude_categories=["Cs", "Cn", "Co"]).filter(_parts_digits),
    min_size=1,
    max_size=4,
)


@given(
    st.sampled_from(["95588", "955881", "95533", "96110", "10086", "12345", "+8695588", "95 588"]),
    _SEPARATORS,
    st.from_regex(r"[0-9]{1,5}", fullmatch=True),
    st.sampled_from(["", ")", "]", " "]),
)
def test_a_whole_service_number_and_more_digits_is_nobody_s(
    whole: str, separator: str, more: str, end: str
) -> None:
    number = normalise(f"{whole}{separator}{more}{end}")
    assert number.key in (UNREADABLE, WITHHELD, normalise(whole).key)
    assert number.flag is None or number.prefixes[number.too_wide :] == ()


@given(
    st.sampled_from(
        [("95", "588"), ("955", "88"), ("400", "820", "8820"), ("139", "1234", "5678")]
    ),
    st.sampled_from(["", "+86", "+86 ", "0086 "]),
    st.sampled_from(
        ["-", " ", "\u00a0", "\u2013", "\u00b7", "\u3000", "  ", " - ", "\u200b", "\u00ad"]
    ),
)
def test_groups_inside_a_number_are_one_number(
    groups: tuple[str, ...], country: str, separator: str
) -> None:
    number = normalise(country + separator.join(groups))
    assert number.flag is None
    assert number == normalise("".join(groups))


@pytest.mark.parametrize(
    "before", ["0086-010-", "0086 10 ", "086-010-", "+86-10-", "86-010-", "010-"]
)
def test_a_landline_s_extension_is_left_out(before: str) -> None:
    assert normalise(f"{before}88886666-8001").key == "+861088886666"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("952-13742", "95213742"),
        ("95213 742", "95213742"),
        ("100-86", "10086"),
        ("139-1234-5678", "+8613912345678"),
        ("+86 139 1234 56 78", "+8613912345678"),
        ("010-8888 6666", "+861088886666"),
        ("400-810-8888", "+864008108888"),
        ("4008-123-123", "+864008123123"),
        ("13912345678 \u8f6c 8001", "+8613912345678"),
        ("+8612593 13912345678", "+8613912345678"),
        ("0 571 8888 8888", "+8657188888888"),
        ("(010) 95588", "+861095588"),
        ("86 95588", "95588"),
        ("952 12345", "95212345"),
        ("95013-123456", "95013123456"),
    ],
)
def test_groups_of_digits_are_one_number(text: str, key: str) -> None:
    assert normalise(text).key == key


def test_what_cannot_be_read_has_no_breaker() -> None:
    number = normalise("139****5678")
    assert (number.key, number.flag) == (UNREADABLE, Flag.MALFORMED)
    assert number.prefixes[number.too_wide :] == ()


@pytest.mark.parametrize("text", ["+13912345678", "14912345678", "+95588"])
def test_an_implausible_number_speaks_for_no_country_or_city(text: str) -> None:
    number = normalise(text)
    assert number.flag is not None
    assert len(number.prefixes[number.too_wide]) >= min(len(number.key), len("?+861491234"))


@pytest.mark.parametrize(
    "text",
    [
        *("100", "8001", "13700", "1234", "860"),
        *("88886666", "7378742", "20251009"),  # Local numbers, of a city that isn't told.
        *("1760000000", "1391234567"),  # A moment in seconds, or a mobile number cut off.
        *("095588", "010086", "095213742"),  # Behind a 0, or a landline of Ningxia's 0955.
        "1008611",  # China Mobile's own line with digits behind it.
    ],
)
def test_a_number_with_too_few_digits_is_not_called_forged_and_has_no_breaker(text: str) -> None:
    number = normalise(text)
    assert (number.key, number.flag) == (f"?{text}", Flag.TOO_SHORT)
    assert number.prefixes[number.too_wide :] == ()
    assert normalise(f"+86{text}").key in (number.key, text, f"?{text.removeprefix('0')}")


@pytest.mark.parametrize(
    "text",
    [
        *("1/13912345678", "(1) 13912345678", "1 13912345678", "12-13912345678", "9-95588"),
        *("113912345678", "913912345678"),
        *("(79766)10086", "(35)95213742", "2 95213742 2", "95 12345"),
        *("95588(1)", "95588)1", "95588\u00b74", "95588%204", "95588 - 6", "10086.69132"),
        *("010-88888888/88888889", "010-88888888/89", "010-88888888 88888889", "95588 95599"),
        *("1760000000000", "1760000000000000", "202510090853", "20251009085320123"),
    ],
)
def test_two_numbers_a_count_and_a_moment_are_nobody_s_number(text: str) -> None:
    number = normalise(text)
    assert (number.key, number.flag) == (UNREADABLE, Flag.MALFORMED)


@given(st.from_regex(r"1[12][0-9]{3}[0-9]{5,9}", fullmatch=True))
@example("110009500000")
@example("120009501234567")
def test_no_digits_are_taken_off_as_if_they_were_a_carrier_s_code(digits: str) -> None:
    number = normalise(digits)
    assert number.key == UNREADABLE or number.key.endswith(digits)


@pytest.mark.parametrize(
    "text",
    [
        "+08613912345678",
        "08613912345678",
        "086-139-1234-5678",
        "086 13912345678",
        "+86 0 13912345678",
    ],
)
def test_the_country_s_code_behind_a_zero_is_read(text: str) -> None:
    assert normalise(text).key == "+8613912345678"


@given(st.from_regex(r"(86|0|086|010|\+86 ?){0,3}[0-9]{9,13}", fullmatch=True))
def test_a_plus_is_at_the_front_of_a_key(text: str) -> None:
    assert "+" not in normalise(text).key.removeprefix("?").removeprefix("+")


@given(st.from_regex(r"[1-9][0-9]{4,13}", fullmatch=True))
def test_another_country_is_never_a_service_number_of_china(digits: str) -> None:
    assume(not digits.startswith("86"))
    assert normalise(f"+{digits}").kind is not NumberKind.SERVICE
    assert normalise(f"00{digits}") == normalise(f"+{digits}")


@given(st.text(max_size=40) | st.from_regex(r"\+?[0-9]{1,18}", fullmatch=True))
def test_any_text_is_some_number_with_nested_prefixes(text: str) -> None:
    number = normalise(text)
    assert number.prefixes[-1] == number.key
    assert 0 < len(number.key) <= MAX_DIGITS + 1
    for wide, narrow in zip(number.prefixes, number.prefixes[1:], strict=False):
        assert narrow[:-1] == wide
    assert (number.flag is not None) == (number.kind is NumberKind.IMPLAUSIBLE)


@given(st.from_regex(r"(95[0-9]{3,6}|1[3-9][0-9]{9}|0[1-9][0-9]{9,10})", fullmatch=True))
def test_a_key_is_its_own_number(text: str) -> None:
    number = normalise(text)
    if number.flag is None:
        assert normalise(number.key) == number


@pytest.mark.parametrize("text", ["966512345678", "886912345678", "14155552671"])
def test_a_foreign_number_without_its_plus_is_stopped_alone(text: str) -> None:
    number = normalise(text)
    assert number.kind is NumberKind.IMPLAUSIBLE
    assert number.prefixes[number.too_wide :] == (number.key,)


@given(
    st.from_regex(r"(966[15][0-9]{8}|9647[0-9]{9}|965[569][0-9]{7}|9599[0-9]{8})", fullmatch=True)
)
def test_no_foreign_number_without_its_plus_opens_a_range(text: str) -> None:
    number = normalise(text)
    assume(number.key != WITHHELD)
    assert number.prefixes[number.too_wide :] == (number.key,)


@pytest.mark.parametrize("text", ["9611012", "95588123", "9521300112233"])
def test_a_forged_service_number_s_range_has_a_breaker(text: str) -> None:
    assert normalise(text).too_wide == 0


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("95213742", "9521"),
        ("95588", "9558"),
        ("962121", "9621"),
        ("10086", "10086"),
        ("139 1234 5678", "+86139"),
        ("010-88888888", "+8610"),
        ("0571-88888888", "+86571"),
        ("021-61234567", "+8621"),
        ("4008001234", "+86400"),
        ("+44 20 7946 0000", "+44"),
        ("+1 650 253 0000", "+1"),
        ("+852 2345 6789", "+852"),
        ("9521374211", "?9521"),
        ("139123456789", "?+86139"),
        ("8001", "?8001"),
        ("anonymous", "withheld"),
        ("139****5678", "?malformed"),
    ],
)
def test_reports_count_numbers_by_prefixes(text: str, prefix: str) -> None:
    assert normalise(text).reported_prefix == prefix
