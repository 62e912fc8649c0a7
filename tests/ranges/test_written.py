"""Numbers in the forms that call records, headers and spreadsheets write."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from audio_model.ranges.written import NONE_SHOWN, UNREADABLE, NoDigits, read, same

_NUMBER = "13912345678"


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "'{}",
        '="{}"',
        "={}",
        "\u2018{}\u2019",
        "\ufeff{}\u200e",
        "\u202d{}\u202c",
        "{}.0",
        "{}.00",
        "{},0",
        "Alice <sip:{}@h>",
        '"Bob <b> 95588" <sip:{}@h;user=phone>;tag=1',
        "From: <sips:{}@[2001:db8::1]:5061;transport=tls>",
        "P-Asserted-Identity: <tel:{}>",
        '"95588" <{}>',
        "&lt;sip:{}@h&gt;",
        "sip:{}",
        "sip:{}:secret@h",
        "sip:{};npdi=yes@h",
        "SIP://{}@h?Subject=95588",
        "tel:{};ext=12",
        "TEL: {}",
        "{}@10.0.0.1",
        "{};cpc=ordinary",
        "{} \u8f6c 123",
        "{} ext. 12",
        "[{}]",
    ],
)
def test_a_number_is_read_in_whatever_it_is_wrapped(form: str) -> None:
    assert read(form.format(_NUMBER)) == _NUMBER


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("sip:%2B8613912345678@h", "+8613912345678"),
        ("sip:%252B8613912345678@h", "+8613912345678"),
        ("tel:13912345678;phone-context=+86", "+8613912345678"),
        ("\uff0b\uff18\uff16 \uff11\uff13\uff19-1234-5678", "+8613912345678"),
        ("+86\u00a0139\u2009123.456.78", "+8613912345678"),
        ("(+86)139 1234 5678", "+8613912345678"),
        ("+44 (0)20 8366 1177", "+442083661177"),
        ("0044 (0)20 8366 1177", "+442083661177"),
        ("\u0661\u0663\u0669\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", _NUMBER),
        ("13,912,345,678", _NUMBER),
        ("13.912.345.678", _NUMBER),
        ("0211/4567890", "02114567890"),
        ("18888888888", "18888888888"),
        ("10000", "10000"),
        ("12345", "12345"),
        ("95555", "95555"),
    ],
)
def test_signs_within_a_number_are_read(text: str, digits: str) -> None:
    assert read(text) == digits


@pytest.mark.parametrize(
    "text",
    """anonymous|Anonymous caller|UNAVAILABLE|restricted|Private number|withheld|unknown|blocked
    |No caller ID|no-caller-id|N/A|#N/A|#REF!|null|(null)|<null>|<NA>|NaN|None|nil
    |-|--|?||''|\\N|undefined|P|O
    |匿名|未知|无主叫|隐藏|主叫号码隐藏|号码未知|私人号码|無|非通知|非通知設定|通知不可能|公衆電話
    |발신번호표시제한|inconnu|Numéro masqué|anonyme|privé|PRIVE|desconocido|anónimo|número privado
    |unbekannt|anonym|Rufnummer unterdrückt|скрыт|Номер скрыт|неизвестно|Неизвестный номер
    |номер не определен|sconosciuto|não identificado|okänt nummer|مجهول|gizli numara|ẩn danh|ไม่ทราบ
    |"Anonymous" <sip:anonymous@anonymous.invalid>|sip:13912345678@anonymous.invalid|sip:@h|Alice <>
    |sip:anonymous@10.0.0.1:5060|"13912345678" <unknown>|266696687|+266696687|2562533|+2562533
    |7378742883|7378742833|8656696|86282452253|+86000000000|0000000000|0|000|0.0|99999|9999999999
    |+8699999999999|+10000000000|1234567890|-1""".replace("\n    ", "").split("|"),
)
def test_words_and_stand_ins_for_no_number_are_withheld(text: str) -> None:
    assert read(text) is NONE_SHOWN


@pytest.mark.parametrize(
    "text",
    """1.39E+10|1.3912345678E10|9.5588e+04|95588.5|95588,5|139****5678|139----5678|139....5678
    |139xxxx5678|139••••5678|139●●●●5678|139()5678|139…5678|192.168.1.1|sip:192.168.1.1:5060
    |10.0.0.1/24|sip:gateway.example|sip:alice@example.com|*31#13912345678|#31#13912345678
    |1-800-FLOWERS|SIP/95588-0000001a|Alice 95588|1|+|+86|-13912345678|+013912345678|139O2345678
    |0x33d5b6a4e|123456789012345678901|b'95588'|[1, 2]|2025-10-09 08:53:20|95588/95599
    |13912345678;13812345678|13912345678,95588|13912345678、95588|inf|true
    |\uff11\uff13\uff19\uff0a\uff0a\uff0a\uff0a\uff15\uff16\uff17\uff18""".replace(
        "\n    ", ""
    ).split("|"),
)
def test_what_may_mean_two_things_is_not_guessed(text: str) -> None:
    assert read(text) is UNREADABLE


@given(st.text(max_size=60))
def test_any_text_is_digits_or_none(text: str) -> None:
    digits = read(text)
    if not isinstance(digits, NoDigits):
        assert digits.removeprefix("+").isdigit()
        assert digits.isascii()


@given(st.from_regex(r"[1-9][0-9]{4,12}", fullmatch=True), st.text(max_size=3), st.text(max_size=3))
def test_no_digit_is_left_out_or_made_up(digits: str, before: str, after: str) -> None:
    assume(not any(char.isnumeric() or char in "<>@;?&%=:" for char in before + after))
    assert read(before + digits + after) in (
        *(digits, f"+{digits}"),
        *(NONE_SHOWN, UNREADABLE),
    )


@given(
    st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True),
    st.sampled_from(["{}", "+86{}", "0086 {}", "86{}", "'{}", "{}.0", "sip:+86{}@h"]),
)
def test_ways_to_write_a_called_number_are_the_same(number: str, form: str) -> None:
    assert same(form.format(number)) == same(number)


@pytest.mark.parametrize(
    "text",
    [
        "1-800-555-0199", "1 (800) 555-0199", "1.800.555.0199", "1800-555-0199",
        "95588\n95599", "13912345678\t13912345679", "\u2460\u2462\u2468", "13912345678\u00b2",
    ],
)  # fmt: skip
def test_digits_that_may_be_somebody_else_s_are_not_read(text: str) -> None:
    assert read(text) is UNREADABLE


def test_groups_of_our_own_are_read() -> None:
    assert read("139 1234 5678") == read("139-1234-5678") == _NUMBER
    assert read(" 13912345678\n") == _NUMBER
