"""Numbers as they are written: from a cell, a header or a URI to digits, or to none.

A text is read only where its digits can mean one number. Whatever else it is, letters, a mask, two
numbers at once, a power of ten, becomes :data:`UNREADABLE`, and what says that there is no number
:data:`NONE_SHOWN`. Neither is guessed into somebody's number.
"""

import html
import re
import unicodedata
from enum import Enum, auto
from urllib.parse import unquote

from audio_model.ranges.no_number import is_stand_in, says_none


class NoDigits(Enum):
    """The reason why a text holds no number."""

    NONE_SHOWN = auto()
    """The caller's number was withheld, or nobody knows it."""
    UNREADABLE = auto()


NONE_SHOWN, UNREADABLE = NoDigits.NONE_SHOWN, NoDigits.UNREADABLE

MOST_DIGITS = 20
"""E.164 numbers have 15 at most; of forged ones a few more are read. What is longer is an id."""
FEWEST_DIGITS = 3

_LONGEST = 1000
"""Characters of a header that are looked at."""

_QUOTES = "'\"`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u2032\u2033\u00ab\u00bb\u300c\u300d"
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_ANGLES = re.compile(r"<([^<>]*)>")
_HEADER = re.compile(
    r"^(?:from|f|to|t|contact|m|p-(?:asserted|preferred)-identity|remote-party-id|caller(?: ?id)?)"
    r"\s*:\s*",
    re.IGNORECASE,
)
_SCHEME = re.compile(
    r"^(sips?|tel|callto|phone|h323|whatsapp|4(?=:\+))\s*:\s*(?://)?", re.IGNORECASE
)
"""``4:`` is what Teams and Skype write before a telephone's number."""
_LABEL = re.compile(
    r"^(?:(?:tel|phone|mobile|cell|ani|cli|clid|caller|number|no)\b|\u260e|\u2706|\U0001f4de|\U0001f4f1"
    r"|(?:\u6765\u7535|\u4f86\u96fb|\u4e3b\u53eb|\u547c\u53eb|\u7528\u6237)?"
    r"(?:\u7535\u8bdd|\u96fb\u8a71|\u624b\u673a|\u624b\u6a5f|\u4e3b\u53eb|\u6765\u7535)?"
    r"(?:\u53f7\u7801|\u865f\u78bc|\u53f7|\u865f)?)"
    r"\s*[.:=]{0,2}\s*(?=[+(\d])",
    re.IGNORECASE,
)
_CONTEXT = re.compile(r";\s*phone-context\s*=\s*(\+[\d.()-]+)", re.IGNORECASE)
_EXTENSION = re.compile(
    r"(?<=\d)\)?\s*[,;]?\s*(?:ext(?:ension|n)?\.?|\u8f6c|\u8f49|\u5206\u673a|\u5206\u6a5f)"
    r"\s*[:.=]?\s*\d{1,8}$",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"((?:\d{1,3}\.){3}\d{1,3})(?:/\d{1,2})?")
_WHOLE_AS_FRACTION = re.compile(
    r"([^.,]*\d(?=[.,]0{1,2}$)|[^.,]*\d{5}(?=[.,]0+$)|.*\d(?=[.,]0$))[.,]0+"
)
"""A number as a data frame or a spreadsheet writes it: no number ends in a group of one digit."""
_FRACTION = re.compile(r"[^.,]*\d[.,]\d{1,2}")
_GROUPED = re.compile(r"\+?[1-9]\d{0,2}(?:,\d{3})+|\+?[1-9]\d{0,2}(?:'\d{3})+")
_TRUNK = re.compile(r"^(\+|00)(.*?)\(\s*0\s*\)")
_AREA_AND_EXTENSION = re.compile(
    r"((?:\(?0|\(?(?:\+|0{1,2})?86\)?[- ]?\(?0?)\d{2,3}\)?\s*[- ]\s*\d{7,8})"
    r"\s*(?:-\s*\d{1,6}|\(\d{1,6}\))"
)
"""China's way to write a landline behind a switchboard: 010-88888888-8001."""
_LOCAL_AND_EXTENSION = re.compile(r"[2-8]\d{6,7}\s*-\s*\d{1,5}")
"""The same without its area, which nobody can tell."""
_TWO_BY_SPACE = re.compile(r"[1-9]\d{4,}(?: [1-9]\d{4,})+")
"""No number is parted into groups of five digits and more."""
_DATE = re.compile(
    r"(?:19|20)\d\d([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)\d\d"
)
_MOMENT = re.compile(
    r"20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])(?:[0-5]\d){1,2}(?:\d{3})?"
    r"|1(?:\d{12}|\d{15}|\d{18})"
)
"""YYYYMMDDhhmm and what goes on behind it, and ms, µs or ns since 1970 from 2001 to 2033.

No number of China's has 12, 14 or 17 digits and begins with 20, and none that calls has 13, 16 or
19 and begins with 1. A moment in seconds has 10, too few for a mobile number.
"""
_IDENTITY = re.compile(r"460(?:0\d|11|15|20)\d{10}|8986\d{15,16}")
"""A SIM card's identity or its own number, which somebody has and nobody dials.

The first is China's 460 and its networks' codes (IMSI: 3GPP TS 23.003, 2.2), the second 89 for
telecommunications and 86 (ICCID: ITU-T E.118).
"""
_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u30fc\u00b7\u2027\u30fb"
_BRACKETS = "()[]{}\u3010\u3011\u3014\u3015"
_PUNCTUATION = str.maketrans("", "", f"{_DASHES}{_BRACKETS}./")
_TWO_LINES = re.compile(r"\d[ \t]*[\r\n\t]+\s*\+?\d")
_NORTH_AMERICAN = re.compile(
    rf"1[{_DASHES}. ]?\(?[2-9]\d\d\)?[{_DASHES}. ]?[2-9]\d\d[{_DASHES}. ]\d{{4}}"
    rf"|1[{_DASHES}. ]\(?\d{{3}}\)?[{_DASHES}. ]\d{{3}}[{_DASHES}. ]\d{{4}}"
    rf"|(?![48]00)\(?[2-9]\d\d\)?[{_DASHES}. ]\d{{3}}[{_DASHES}. ]\d{{4}}"
)
"""Digits in the groups of North America: China's mobiles begin with 1, and of its landlines the
area's 0 may be left out. In such groups China writes 400 and 800 alone."""
_OUTSIDE_LINE = re.compile(rf"[89][{_DASHES}. ,]+1[3-9][{_DASHES}. \d]{{9,}}")
"""A mobile number behind the digit that its switchboard dials first."""
_LONG_DISTANCE = re.compile(
    r"((?:\+?86)?)(?:179\d\d|12593)(?:0?(1[3-9]\d{9})|(0(?:10|2\d|[3-9]\d\d)\d{7,8}))"
)
"""A number behind the code of the carrier that took it over a long distance (17951, 12593)."""
_HOME_BEHIND_ZERO = re.compile(
    r"^\+?086(?=1[3-9]\d{9}$|0?(?:10|2\d|[3-9]\d\d)\d{7,8}$|[48]00\d{7}$)"
)
"""The country's code as China's forms have it, 086-10-88888888: no area's code begins with 086."""
_FILLER = re.compile(r"(?<=\d{10})F+$", re.IGNORECASE)
"""The filler of a number's last byte, in switches' records of two digits a byte: 3GPP 24.008."""
_GAP = re.compile(rf"\d\s*(?:[{_DASHES}./]\s*){{2,}}\d|[(\[{{]\s*[)\]}}]")
"""Where digits were left out: two signs in a row are no separator."""
_HIDDEN = "\0"
_HIDDEN_BETWEEN_DIGITS = re.compile(rf"(?<=\d){_HIDDEN}+(?=\d)")
_PARAMETERS = re.compile(r";\s*[a-z][\w.-]*\s*(?:=.*|;.*)?$", re.IGNORECASE)
_DIGITS = re.compile(r"\+?[0-9]+")
_ANY_DIGITS = re.compile(r"[0-9]")


def read(text: str) -> str | NoDigits:
    """Return the digits that a text means, behind a ``+`` if they begin with a country's code.

    ``00`` is China's way to write that ``+``. Header names, display names, URIs and their
    parameters, escapes, quotes, spreadsheets' marks, brackets, separators and invisible characters
    are understood.
    """
    text = text[:_LONGEST].strip()
    if len(several := _ANGLES.findall(_QUOTED.sub("", text))) > 1:
        # An asserted identity comes as SIP's and as a telephone's, and both may be one number.
        found = {same(each) for each in several}
        return read(several[0]) if len(found) == 1 else UNREADABLE
    if _TWO_LINES.search(text) or any(unicodedata.category(char) == "No" for char in text):
        # Two cells in one, or digits in circles and powers, which are no digits of a number.
        return UNREADABLE
    plain = _plain(text)
    address, host = _address(plain)
    if host is not None and host.lower().rstrip(".").endswith("anonymous.invalid"):
        return NONE_SHOWN
    digits = _digits(address)
    if digits is None:
        return NONE_SHOWN if says_none(address) else UNREADABLE
    bare = digits.removeprefix("+")
    if is_stand_in(digits):
        return NONE_SHOWN
    if not FEWEST_DIGITS <= len(bare) <= MOST_DIGITS:
        return UNREADABLE
    return digits


def shown(text: str) -> str:
    """Return the number in a text as it is written there, without what is around it."""
    address, _ = _address(_plain(text[:_LONGEST].strip()))
    return _EXTENSION.sub("", _whole(_LABEL.sub("", address).rstrip(" ,;|")))


def same(text: str) -> str:
    """Return one text for all ways to write a number. Other texts stay as they are."""
    digits = read(text)
    if isinstance(digits, NoDigits):
        return text
    for code in ("+86", "86"):
        rest = digits.removeprefix(code)
        if rest != digits and len(rest) >= len("95588"):
            return rest
    return digits


def _plain(text: str) -> str:
    """Return the text in plain characters: no escapes, no invisible ones, ASCII's digits.

    Between digits an invisible character is a space: what it parts need not be one number.
    """
    if "&" in text:
        text = html.unescape(text)
    for _ in range(2):
        # Twice, for "%252B" that was escaped on its way through two systems.
        if "%" in text:
            text = unquote(text)
    text = unicodedata.normalize("NFKC", text)
    text = "".join(
        _HIDDEN if unicodedata.category(char) in ("Cf", "Cc") and char not in "\t\n" else char
        for char in text
    )
    text = _HIDDEN_BETWEEN_DIGITS.sub(" ", text).replace(_HIDDEN, "")
    text = "".join(str(int(char)) if char.isdecimal() else char for char in text)
    return " ".join(text.split())


def _address(text: str) -> tuple[str, str | None]:
    """Return the part of a header or URI that holds the number, and its host if there is one."""
    text = _HEADER.sub("", text)
    unquoted = _QUOTED.sub("", text)
    if (inside := _ANGLES.search(unquoted)) is not None:
        # "<unknown>" is a stand-in, "Alice <sip:...>" has its number inside.
        text = inside[1]
    text = _unquote(text)
    scheme = _SCHEME.match(text)
    if scheme is not None:
        text = text[scheme.end() :]
    user, at, host = text.rpartition("@")
    if at:
        text = user
    elif scheme is not None and scheme[1].lower().startswith("sip"):
        # A host alone, or a number that its gateway wrote without one.
        text, _, _ = text.partition(";")
        if not re.fullmatch(r"[^.:]*", text):
            return text, text
    found = _CONTEXT.search(text)
    text = _PARAMETERS.sub("", text)
    if scheme is not None:
        text = text.partition("?")[0]
    if at and scheme is not None:
        text = text.partition(":")[0]
    text = _unquote(text)
    if found is not None and not text.startswith("+"):
        text = found[1] + text
    return text, re.split("[;:>?]", host)[0] if at else None


def _unquote(text: str) -> str:
    """Return a text without the quotes and marks that spreadsheets and people put around it."""
    text = text.strip()
    if text.startswith("="):
        text = text[1:].strip()
    return text.strip(_QUOTES + " \t\\")


def _is_address(text: str) -> bool:
    """Return whether a text is a host's address in the network: four numbers up to 255."""
    found = _ADDRESS.fullmatch(text)
    return found is not None and all(int(part) < 256 for part in found[1].split("."))


def _digits(text: str) -> str | None:
    """Return the digits of one number, or None if the text is not one."""
    text = _LABEL.sub("", text).rstrip(" ,;|")
    if _DATE.fullmatch(text) or _TWO_BY_SPACE.fullmatch(text):
        return None
    if _is_address(text) or _GAP.search(text) or _NORTH_AMERICAN.fullmatch(text):
        return None
    if _LOCAL_AND_EXTENSION.fullmatch(text) or _OUTSIDE_LINE.fullmatch(text):
        return None
    text = _whole(text)
    if _FRACTION.fullmatch(text):
        return None
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "").replace("'", "")
    if len(text) > 1 and text[0] in _DASHES and text[1].isdigit():
        # A negative number is a code for none, or nobody knows what.
        return "0" if re.fullmatch(r".[0-9]{1,2}", text) else None
    text = _EXTENSION.sub("", text)
    if (switchboard := _AREA_AND_EXTENSION.fullmatch(text)) is not None:
        text = switchboard[1]
    if "/" in text and not _parts_an_area(text):
        return None
    text = _TRUNK.sub(r"\1\2", text)
    bare = _FILLER.sub("", "".join(text.translate(_PUNCTUATION).split()))
    bare = re.sub(r"^\++(?:00)?", "+", bare)
    if not _DIGITS.fullmatch(bare):
        return None
    if bare.startswith("00") and bare.strip("0"):
        bare = f"+{bare[2:]}"
    bare = _HOME_BEHIND_ZERO.sub("+86", bare)
    if (behind := _LONG_DISTANCE.fullmatch(bare)) is not None:
        bare = behind[1] + (behind[2] or behind[3])
    if bare.startswith("+0") and bare.strip("+0"):
        # No country's code begins with 0.
        return None
    return None if _MOMENT.fullmatch(bare) or _IDENTITY.fullmatch(bare) else bare


def _whole(text: str) -> str:
    """Return a number without the ``.0`` that a data frame or a spreadsheet has put behind it."""
    found = _WHOLE_AS_FRACTION.fullmatch(text)
    return text if found is None else found[1]


def _parts_an_area(text: str) -> bool:
    """Return whether a slash stands behind an area's code and nowhere else.

    Elsewhere it stands between two numbers (010-88888888/89), or behind a count (1/13912345678).
    """
    area, _, rest = text.partition("/")
    most = 7 if area.startswith("+") else 5 if area.lstrip("(").startswith("0") else 4
    return "/" not in rest and 2 <= len(_ANY_DIGITS.findall(area)) <= most and rest.strip() != ""
