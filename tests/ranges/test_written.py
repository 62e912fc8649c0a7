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
        ("+49 211/4567890", "+492114567890"),
        ("400/8001234", "4008001234"),
        ("95 588.0", "95588"),
        ("139 1234 5678.0", _NUMBER),
        ("139-1234-5678.00", _NUMBER),
        ("139 12345678.000000", _NUMBER),
        ("139.1234.5678.0", _NUMBER),
        ("13,912,345,678.0", _NUMBER),
        ("01.23.45.67.00", "0123456700"),
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
    |95 588.5|95 588,50|139 1234 5678.25
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


_WRITTEN = {
    # Headers and URIs.
    '"Li Wei" <sip:+8613912345678@10.0.0.1:5060;user=phone>;tag=as58f4': "+8613912345678",
    "sip:+8613912345678%3Bverstat%3DTN-Validation-Passed@host": "+8613912345678",
    "sip:+8613912345678;verstat=TN-Validation-Passed-A@ims.example": "+8613912345678",
    "<tel:+8613912345678;verstat=No-TN-Validation>": "+8613912345678",
    "sip:13912345678;npdi;rn=+8613900000000@host;user=phone": _NUMBER,
    "tel:863-1234;phone-context=+1-914-555": "+19145558631234",
    "tel:%2B86-139-1234-5678": "+8613912345678",
    "+86%20139%201234%205678": "+8613912345678",
    "Local/95588@from-internal-0001;1": UNREADABLE,
    "PJSIP/trunk-0000001a": UNREADABLE,
    "sip:unavailable@unknown.invalid": NONE_SHOWN,
    "sip:Restricted@10.1.1.1": NONE_SHOWN,
    # Digits of other scripts.
    "\uff19\uff15\uff15\uff18\uff18": "95588",
    "۹۵۵۸۸": "95588",
    "९५५८८": "95588",
    "九五五八八": UNREADABLE,
    # Spreadsheets.
    "9.52E+09": UNREADABLE,
    "9.5588E4": UNREADABLE,
    "1,391,234,5678": UNREADABLE,
    "+8613912345678.0": "+8613912345678",
    "2025-11-28": UNREADABLE,
    "2025/11/8": UNREADABLE,
    "95588;": "95588",
    "95588,": "95588",
    # Labels, extensions, codes before and after a number.
    "电话\uff1a13912345678": _NUMBER,
    "手机13912345678": _NUMBER,
    "Mobile: 139 1234 5678": _NUMBER,
    "分机8001": UNREADABLE,
    "010-88888888-8001": "01088888888",
    "(0571) - 8888888-12": "05718888888",
    "021 6123 4567 ext. 12": "02161234567",
    "02161234567x12": UNREADABLE,
    "95588#1": UNREADABLE,
    "*67 13912345678": UNREADABLE,
    "12593+13912345678": UNREADABLE,
    "139\u00b71234\u00b75678": _NUMBER,
    "139\u00b7\u00b7\u00b7\u00b75678": UNREADABLE,
    "139~1234~5678": UNREADABLE,
    # Several in one cell.
    "95588 95588": UNREADABLE,
    "95588 95599 95555": UNREADABLE,
    "13912345678 or 95588": UNREADABLE,
    "13912345678|95588": UNREADABLE,
    "95213 700": "95213700",
    # Country codes.
    "00 86 139 1234 5678": "+8613912345678",
    "+0086 13912345678": "+8613912345678",
    "++8613912345678": "+8613912345678",
    "86+13912345678": UNREADABLE,
    "+86 95588": "+8695588",
    "0095588": "+95588",
    # Stand-ins and words for none.
    "1000000000": NONE_SHOWN,
    "+861000000000": NONE_SHOWN,
    "123456": NONE_SHOWN,
    "-2": NONE_SHOWN,
    "Número no disponible": NONE_SHOWN,
    "Neznámé číslo": NONE_SHOWN,
    "số ẩn": NONE_SHOWN,
    "発信者番号非通知": NONE_SHOWN,
    "ไม่ทราบหมายเลข": NONE_SHOWN,
    "Номер не определён": NONE_SHOWN,
    "Tuntematon numero": NONE_SHOWN,
    "nomor pribadi": NONE_SHOWN,
    "{}": NONE_SHOWN,
    "<blank>": NONE_SHOWN,
    "none given": NONE_SHOWN,
    "not given": NONE_SHOWN,
    # Names that carriers and platforms show are nobody's number.
    "TOLL FREE CALL": UNREADABLE,
    "Scam Likely": UNREADABLE,
    "asterisk": UNREADABLE,
    "V12345678900123": UNREADABLE,
    "123e4567-e89b-12d3-a456-426614174000": UNREADABLE,
    "1764331200.42": UNREADABLE,
    # Headers of several addresses: one number in two ways, or two numbers.
    'P-Asserted-Identity: "Li" <sip:95588@bank.example>, <tel:+8695588>': "95588",
    "<sip:+8613912345678@h>, <tel:+8613912345678>": "+8613912345678",
    "<sip:13912345678@h>, <tel:95588>": UNREADABLE,
    '"95588" <sip:8001@h>': "8001",
    '"13912345678" <sip:13912345678@10.1.1.1>;privacy=full;screen=no': _NUMBER,
    "Diversion: <sip:02161234567@h>;reason=unconditional;counter=1": "02161234567",
    "tel:+14155551212;npdi;rn=+14155550000": "+14155551212",
    "tel:+8613912345678;isub=1234;postd=pp22": "+8613912345678",
    "tel:13912345678;phone-context=ims.mnc001.mcc460.3gppnetwork.org": _NUMBER,
    "sip:13912345678;phone-context=+86@gw;user=phone": "+8613912345678",
    "h323:13912345678@gk": _NUMBER,
    "whatsapp:+8613912345678": "+8613912345678",
    "urn:service:sos": UNREADABLE,
    "client:alice": UNREADABLE,
    # Teams.
    "4:+8613912345678": "+8613912345678",
    "+8613912345***": UNREADABLE,
    "8:orgid:123e4567-e89b-12d3-a456-426614174000": UNREADABLE,
    "orgid:95588": UNREADABLE,
    # Asterisk, FreeSWITCH, Cisco, Avaya, 3CX.
    "DAHDI/i1/13912345678-3": UNREADABLE,
    "sofia/internal/13912345678@10.0.0.1": UNREADABLE,
    "Wang Wei <13912345678>": _NUMBER,
    "FreeSWITCH <0000000000>": NONE_SHOWN,
    "\\+8613912345678": "+8613912345678",
    "+8613912345678:HQ_Partition": UNREADABLE,
    "SEP001122334455": UNREADABLE,
    "T001#023": UNREADABLE,
    "9-13912345678": UNREADABLE,
    "9,139 1234 5678": UNREADABLE,
    "0-13912345678": "013912345678",
    "Ext.8001": UNREADABLE,
    "ANI:13912345678": _NUMBER,
    "unknown_ani": NONE_SHOWN,
    # Switches' records: two digits a byte, filled; the most that a field holds.
    "8613912345678F": "8613912345678",
    "13912345678FFFF": _NUMBER,
    "95588F": UNREADABLE,
    "FFFFFFFF": UNREADABLE,
    "65535": NONE_SHOWN,
    # Digits in their order, one and zeros; 4000000000 may be somebody's.
    "12345678901": NONE_SHOWN,
    "123456789012345": NONE_SHOWN,
    "987654321": NONE_SHOWN,
    "7000000000": NONE_SHOWN,
    "4000000000": "4000000000",
    "12345": "12345",
    # A SIM card's identity, and its own number.
    "460001234567890": UNREADABLE,
    "460110123456789": UNREADABLE,
    "89860012345678901234": UNREADABLE,
    "65534": NONE_SHOWN,
    "4294967294": NONE_SHOWN,
    "9007199254740991": NONE_SHOWN,
    "2147483647": NONE_SHOWN,
    "4294967295": NONE_SHOWN,
    # Codes of the carrier before the number.
    "1795113912345678": _NUMBER,
    "17951013912345678": _NUMBER,
    "17909 02161234567": "02161234567",
    "1790901065529988": "01065529988",
    "17911-13912345678": _NUMBER,
    "12593013912345678": _NUMBER,
    "+8617951013912345678": "+8613912345678",
    "17951-1391234": "179511391234",
    "17951+8613912345678": UNREADABLE,
    # Switchboards.
    "010-65529988(8001)": "01065529988",
    "+86-10-65529988-8001": "+861065529988",
    "86 10 65529988-8001": "861065529988",
    "65529988-801": UNREADABLE,
    "01065529988,8001": UNREADABLE,
    # North America's groups.
    "1-555-123-4567": UNREADABLE,
    "1 555 123 4567": UNREADABLE,
    "(555) 123-4567": UNREADABLE,
    "555.123.4567": UNREADABLE,
    "+1 (415) 555-1212": "+14155551212",
    "400-810-8888": "4008108888",
    "800 810 8888": "8008108888",
    # Dates and times are no numbers.
    "28/11/2025": UNREADABLE,
    "11-28-2025": UNREADABLE,
    "20251128100806": UNREADABLE,
    "1.3912345678E+10": UNREADABLE,
    "1,39E+10": UNREADABLE,
    "=95588+1": UNREADABLE,
    # Labels.
    "\u6765\u7535\u53f7\u7801\uff1a13912345678": _NUMBER,
    "\u624b\u673a\u53f7\uff1a13912345678": _NUMBER,
    "Tel.: 13912345678": _NUMBER,
    "No. 13912345678": _NUMBER,
    "caller=13912345678": _NUMBER,
    "\u260e13912345678": _NUMBER,
    "13912345678 \u6c5f\u82cf\u5357\u4eac": UNREADABLE,
    "95588(\u5de5\u5546\u94f6\u884c)": UNREADABLE,
    # Invisible and wide signs.
    "\u2066+8613912345678\u2069": "+8613912345678",
    "139\u200d12345678": _NUMBER,
    "\uff11\uff13\uff19\u30fc\uff11\uff12\uff13\uff14\u30fc\uff15\uff16\uff17\uff18": _NUMBER,
    "139\u30fb1234\u30fb5678": _NUMBER,
    "1391234\ufffd678": UNREADABLE,
    "l3912345678": UNREADABLE,
    # Words of more languages.
    "空号": NONE_SHOWN,
    "沒有來電顯示": NONE_SHOWN,
    "ユーザ非通知": NONE_SHOWN,
    "Unbekannter Anrufer": NONE_SHOWN,
    "Anonymer Anruf": NONE_SHOWN,
    "Soukromé číslo": NONE_SHOWN,
    "Număr ascuns": NONE_SHOWN,
    "Άγνωστος αριθμός": NONE_SHOWN,
    "מספר חסוי": NONE_SHOWN,
    "شماره ناشناس": NONE_SHOWN,
    "अज्ञात नंबर": NONE_SHOWN,
    "Nombor persendirian": NONE_SHOWN,
    "Coin line/payphone": NONE_SHOWN,
}


@pytest.mark.parametrize("text", _WRITTEN)
def test_what_systems_and_switches_write_is_read_or_refused(text: str) -> None:
    assert read(text) == _WRITTEN[text]
