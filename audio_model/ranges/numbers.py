"""Phone numbers, made comparable: one key for each number, and what is implausible about it.

What is written becomes digits in ``written.py``. Behind ``+`` or ``00`` the country comes first, so
+95 588 is Myanmar's, never the bank 95588. Other numbers are read as China's: those that the
library ``phonenumbers`` knows become E.164, and the service numbers that have no E.164 form (95 and
96, and 1 for the operators) stay as they are dialled, with the digits that a call centre appends.
What no number can look like goes to a branch of its own, whose keys begin with ``?``: a forged
number must not speak against the range that it borrows. What can't be read, what has fewer digits
than the plan's numbers, and what was withheld are counted and have no breaker: whose they are
can't be told.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from audio_model.ranges import written

HOME = "CN"
IMPLAUSIBLE = "?"
HOME_CODE = "+86"
WITHHELD = "withheld"
UNREADABLE = "?malformed"
_TWO_DIGIT_AREAS = tuple(f"{HOME_CODE}{area}" for area in (10, *range(20, 30)))
MAX_DIGITS = 20
"""Kept of a key. E.164 numbers have 15 at most."""

_ABROAD = "011"
"""The digits that North America dials before a country's code. No area of China's begins so."""
_CACHED = 50_000
SHORTEST_PREFIX = 3
_ALWAYS_KEPT = 3
_NINGXIA = ("951", "952", "953", "954", "955")
_SHORTEST_LANDLINE = 10
"""These are area codes, too; with its area's code before it, a landline there has 10 digits."""
_MOBILE_LENGTH = 11
_BEHIND_A_DIGIT = re.compile(r"[1-9]1[3-9][0-9]{9}")
"""A mobile number behind what its switchboard dials first, or behind a wrong country's 1."""
ALLOTTED_DIGITS = {"service": 5, "national": 7, "foreign": 5}
"""Digits of the widest range that is one owner's, without the country code.

A service number's first five; of a mobile number network and HLR, of a landline its area and most
of its office code: Telecommunications Network Numbering Plan, 2.1. Wider ranges are networks and
cities. They hold forged numbers, too, which belong to nobody there.
"""

SERVICE_LENGTHS: dict[str, frozenset[int]] = {
    "950": frozenset({5, 6, 7, 8, 10, 11}),
    "951": frozenset({5, 6, 7, 8}),
    "952": frozenset({6, 7, 8}),
    "953": frozenset({5, 6}),
    "954": frozenset({6, 7, 8}),
    "955": frozenset({5, 6}),
    "956": frozenset({5, 6}),
    "957": frozenset({5, 6, 7, 8}),
    "96": frozenset({5, 6}),
    "100": frozenset({5}),
    "101": frozenset({5}),
    "11": frozenset({3, 5}),
    "12": frozenset({3, 5}),
}
"""Digits of service numbers by their prefix; any other prefix in 95 has been given no use.

953, 955 and 956 are the customer lines of banks, insurers, airlines and carriers, of 5 or 6 digits;
950, 951, 952, 954 and 957 are call centres' (95110 is the coast guard's). Source: MIIT's
Information and Communications Administration to Xinhua, 17 August 2020, on the Telecommunications
Network Numbering Plan (2017 edition, MIIT Xin Guan [2017] 68), section 2.5. 952 and 954 are given
out in 6 digits, 96 in 5 or 6: MIIT's opinion on the length of short numbers. Call centres may
append digits up to 8: as the press reports the plan; its text was not at hand. 950 has numbers of
10 and 11 digits as well: the metadata of libphonenumber, region CN. The three digits of 11 and 12
are the emergency lines (110, 119, 120, 122), their five digits and those of 100 and 101 public and
operators' lines (12345, 10086): the same metadata.
"""


class NumberKind(StrEnum):
    """The kind of a phone number."""

    SERVICE = "service"
    """95 and 96, and the short numbers of operators and authorities."""
    MOBILE = "mobile"
    LANDLINE = "landline"
    SHARED_COST = "shared_cost"
    """400."""
    TOLL_FREE = "toll_free"
    """800."""
    FOREIGN = "foreign"
    OTHER = "other"
    """A number of China, and of no kind above."""
    IMPLAUSIBLE = "implausible"
    WITHHELD = "withheld"


class Flag(StrEnum):
    """Why a number is implausible: nobody can own it, so whoever shows it has made it up."""

    TOO_LONG = "too_long"
    """A service number with more digits than the plan allows."""
    WRONG_LENGTH = "wrong_length"
    UNASSIGNED_PREFIX = "unassigned_prefix"
    MALFORMED = "malformed"
    """Not a number at all."""
    TOO_SHORT = "too_short"
    """Fewer digits than China's numbers have: a local number without its area, a switchboard's
    extension, a service number behind a 0, or what a system has cut off."""


@dataclass(frozen=True)
class Number:
    """A number as the tree knows it."""

    key: str
    """``95213001``, ``+8613912345678``, ``?95213001122`` or ``withheld``."""
    kind: NumberKind
    flag: Flag | None = None
    prefixes: tuple[str, ...] = field(default=())
    """The prefixes from the widest range to the number itself."""
    kept: int = _ALWAYS_KEPT
    """How many of them, the widest, are worth a node whatever comes of it."""
    too_wide: int = 0
    """How many of them, the widest, are too wide for a breaker: networks and cities."""

    @property
    def wide(self) -> tuple[str, ...]:
        """Return the prefixes that are too wide for a breaker and may be warned of.

        There are none of what was withheld and of what nobody can own: they are no prefixes of
        owners.
        """
        told = self.flag is None and self.kind is not NumberKind.WITHHELD
        return self.prefixes[: self.too_wide] if told else ()

    @property
    def said(self) -> str:
        """Return one word about the number: its kind, or why nobody can own it."""
        return self.kind if self.flag is None else self.flag

    @property
    def reported_prefix(self) -> str:
        """Return the prefix that reports count it by: 9521 or 9558, 12345, +86139, +8610, or +44.

        Of a number that nobody can own it is the prefix that it borrows, behind ``?``.
        """
        if self.key in (WITHHELD, UNREADABLE):
            return self.key
        mark, digits = ("?", self.key[1:]) if self.flag is not None else ("", self.key)
        if digits.startswith(HOME_CODE):
            city = digits.startswith(_TWO_DIGIT_AREAS)
            return mark + digits[: len(HOME_CODE) + (2 if city else 3)]
        if digits.startswith("+"):
            return mark + country_of(digits)
        return mark + (digits[:4] if digits.startswith("9") or mark else digits)


_GROUPS = re.compile(r"\+?[0-9]+", re.ASCII)
_EXTENSION = re.compile(
    r"(?P<number>.*[0-9])(?P<parted>[^0-9]+)(?P<more>[0-9]{1,5})[^0-9]*", re.ASCII
)
_BEFORE = re.compile(
    r"\+?0{0,2}(?:86)?(?:0?(?:10|2[0-9]|[3-9][0-9]{2})?|179[0-9]{2}|12593)", re.ASCII
)
"""What may stand before a whole number apart from it: countries', areas' and carriers' codes."""
_MOST_BEFORE = 5
"""Digits that may stand before a number and belong to something else: a count, an extension."""
_COMPLETE = (NumberKind.SERVICE, NumberKind.MOBILE, NumberKind.SHARED_COST, NumberKind.TOLL_FREE)
"""Kinds whose numbers have one length: more digits are an extension."""

_KINDS = {
    PhoneNumberType.MOBILE: NumberKind.MOBILE,
    PhoneNumberType.FIXED_LINE: NumberKind.LANDLINE,
    PhoneNumberType.SHARED_COST: NumberKind.SHARED_COST,
    PhoneNumberType.TOLL_FREE: NumberKind.TOLL_FREE,
}


@lru_cache(_CACHED)
def normalise(text: str) -> Number:
    """Return the number that a text from a call record or a gateway means.

    Texts are read as :func:`written.read` does; ``+86``, ``0086`` and ``86`` are understood.
    """
    match written.read(text):
        case written.NoDigits.NONE_SHOWN:
            return Number(WITHHELD, NumberKind.WITHHELD, None, (WITHHELD,), too_wide=1)
        case written.NoDigits.UNREADABLE:
            return _unreadable()
        case bare:
            number = _of_digits(bare)
            shown = written.shown(text)
            if _has_an_extension(number, shown) or _is_of_two(number, _GROUPS.findall(shown)):
                return _unreadable()
            return number


def _of_digits(bare: str) -> Number:
    digits = bare.removeprefix("+")
    return _service(bare, digits) or _by_library(bare, digits)


def _unreadable() -> Number:
    return Number(UNREADABLE, NumberKind.IMPLAUSIBLE, Flag.MALFORMED, (UNREADABLE,), too_wide=1)


def _has_an_extension(number: Number, shown: str) -> bool:
    """Return whether a whole number stands in front of a few more digits, apart from them.

    ``95588-0`` is not 955880, which has another owner, so nobody can say for sure whose it is.
    Three digits after a space are an extension within a call centre: ``95013 123``.
    """
    parts = _EXTENSION.fullmatch(shown)
    if parts is None:
        return False
    own = parts["parted"] == " " and len(parts["more"]) > 2 and number.kind is NumberKind.SERVICE
    return not own and _is_whole("".join(_GROUPS.findall(parts["number"])), _COMPLETE)


def _is_of_two(number: Number, groups: Sequence[str]) -> bool:
    """Return whether some of the digits are a number by themselves, and the others not of it.

    ``(1) 13912345678`` and ``95588 95599`` are not forged, and ``(79766) 10086`` is not the
    landline 0797-6610086: whose they are can't be told.
    """
    for at in range(1, len(groups)):
        before, behind = "".join(groups[:at]), "".join(groups[at:])
        if number.flag is None:
            long = len(behind) >= len("95588")
            if long and _BEFORE.fullmatch(before) is None and _is_whole(behind, _COMPLETE):
                return True
        elif _is_whole(before) or (len(before) <= _MOST_BEFORE and _is_whole(behind)):
            return True
    return number.kind is NumberKind.LANDLINE and _parts_its_area(number.key, groups)


def _parts_its_area(key: str, groups: Sequence[str]) -> bool:
    """Return whether the digits of a landline's area do not stand together: 2 95213742 2."""
    national = key.removeprefix(HOME_CODE)
    area = 2 if key.startswith(_TWO_DIGIT_AREAS) else 3
    lengths = [len(group.removeprefix("+")) for group in groups]
    ends = [end - (sum(lengths) - len(national)) for end in accumulate(lengths)]
    return "".join(groups).endswith(national) and any(0 < end < area for end in ends)


def _is_whole(digits: str, kinds: Sequence[NumberKind] = ()) -> bool:
    bare = written.read(digits)
    if isinstance(bare, written.NoDigits):
        return False
    number = _of_digits(bare)
    return number.flag is None and (not kinds or number.kind in kinds)


def country_of(digits: str) -> str:
    """Return ``+`` and the country's code behind it, or three digits if no country has one."""
    codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    lengths = (n for n in (2, 3, 4) if int(digits[1:n] or 0) in codes)
    return digits[: next(lengths, 4)]


def _national(bare: str) -> str | None:
    """Return China's digits without its code or the 0 before an area; None of another country."""
    digits = bare.removeprefix("+")
    if digits.startswith("86"):
        return digits.removeprefix("86").removeprefix("0")
    return None if bare.startswith("+") else digits.removeprefix("0")


def _service(bare: str, digits: str) -> Number | None:
    """Return a number of SERVICE_LENGTHS or one that pretends to be; None for all others."""
    rest = digits
    if digits.startswith("86"):
        rest = digits.removeprefix("86")
        if rest.startswith(_NINGXIA) and len(rest) >= _SHORTEST_LANDLINE:
            return None
    elif bare != digits:
        # Another country's.
        return None
    if rest.startswith(("95", "96")) and len(rest) > len("95"):
        return _nine(rest)
    if rest.startswith("1") and len(rest) <= max(SERVICE_LENGTHS["100"]):
        return _one(rest)
    return None


def _nine(digits: str) -> Number:
    prefix = "96" if digits.startswith("96") else digits[:3]
    lengths = SERVICE_LENGTHS.get(prefix)
    if lengths is None:
        return _implausible(digits, Flag.UNASSIGNED_PREFIX)
    if len(digits) > max(lengths):
        return _implausible(digits, Flag.TOO_LONG)
    if len(digits) not in lengths:
        return _implausible(digits, Flag.WRONG_LENGTH)
    return _plausible(digits, NumberKind.SERVICE, SHORTEST_PREFIX, ALLOTTED_DIGITS["service"])


def _one(digits: str) -> Number:
    prefix = next((each for each in ("100", "101", "11", "12") if digits.startswith(each)), "")
    if len(digits) not in SERVICE_LENGTHS.get(prefix, ()):
        return _implausible(digits, Flag.TOO_SHORT)
    return _plausible(digits, NumberKind.SERVICE, len(prefix), ALLOTTED_DIGITS["service"])


def _by_library(bare: str, digits: str) -> Number:
    if bare.startswith(_ABROAD) and _is_foreign_without_plus(bare.removeprefix(_ABROAD)):
        return normalise(f"+{bare.removeprefix(_ABROAD)}")
    international = bare.startswith("+") or digits.startswith("86")
    national = _national(bare)
    try:
        parsed = phonenumbers.parse(f"+{digits}" if international else digits, HOME)
    except phonenumbers.NumberParseException:
        if national is not None and _is_short(national):
            return _implausible(bare.removeprefix(HOME_CODE), Flag.TOO_SHORT)
        return _implausible(bare, Flag.WRONG_LENGTH)
    key = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    # It takes any five digits of 11 and 12 for a carrier's code: what is behind is no number.
    is_taken = national is not None and str(parsed.national_number) != national
    if key.startswith("+86950") and not is_taken:
        return _nine(key.removeprefix("+86"))
    if is_taken or not phonenumbers.is_valid_number(parsed):
        if national is not None:
            if _is_short(national):
                return _implausible(bare.removeprefix(HOME_CODE), Flag.TOO_SHORT)
            if _BEHIND_A_DIGIT.fullmatch(national) and not _is_foreign_without_plus(bare):
                return _unreadable()
            key = HOME_CODE + national
        # The library's own word for it: the length could be right, the prefix is not.
        possible = phonenumbers.is_possible_number(parsed) and not is_taken
        return _implausible(key, Flag.UNASSIGNED_PREFIX if possible else Flag.WRONG_LENGTH)
    country = len(f"+{parsed.country_code}")
    if phonenumbers.region_code_for_number(parsed) != HOME:
        allotted = country + ALLOTTED_DIGITS["foreign"]
        return _plausible(key, NumberKind.FOREIGN, country, allotted)
    kind = _KINDS.get(phonenumbers.number_type(parsed), NumberKind.OTHER)
    allotted = country + ALLOTTED_DIGITS["national"]
    return _plausible(key, kind, country + SHORTEST_PREFIX, allotted)


def _is_short(national: str) -> bool:
    """Return whether digits are fewer than a landline's, a mobile's or 400's."""
    mobile = national.startswith("1") and not national.startswith("10")
    return len(national) < (_MOBILE_LENGTH if mobile else _SHORTEST_LANDLINE)


def _plausible(key: str, kind: NumberKind, shortest: int, allotted: int) -> Number:
    prefixes = prefixes_of(key, shortest)
    # A number shorter than that still counts itself.
    too_wide = min(max(allotted - shortest, 0), len(prefixes) - 1)
    return Number(key, kind, None, prefixes, too_wide=too_wide)


def _implausible(digits: str, flag: Flag) -> Number:
    """Return a number of the branch of those that nobody can own.

    Ranges of service numbers that the plan doesn't know are nobody's however wide they are. Behind
    a country's code, and among short and local numbers, real lines stand next to each other: there
    a breaker is as narrow as one owner's range, or the number alone. It is the number alone, too,
    where the digits can be a number of another country that was written without its ``+``: its
    neighbours are other people's. What is too short has none.
    """
    key = f"{IMPLAUSIBLE}{digits}"[: MAX_DIGITS + 1]
    prefixes = prefixes_of(key, SHORTEST_PREFIX + 1)
    too_wide = 0
    if flag is Flag.TOO_SHORT:
        too_wide = len(prefixes)
    elif _is_foreign_without_plus(digits.removeprefix(HOME_CODE)):
        too_wide = len(prefixes) - 1
    elif not digits.startswith(("95", "96")):
        owned = SHORTEST_PREFIX + ALLOTTED_DIGITS["national"]
        too_wide = min(owned - SHORTEST_PREFIX, len(prefixes) - 1)
    return Number(key, NumberKind.IMPLAUSIBLE, flag, prefixes, too_wide=too_wide)


def _is_foreign_without_plus(digits: str) -> bool:
    """Return whether digits can be a number of another country, behind ``+``.

    Behind 96 (+966 is Saudi Arabia's) and 959 (Myanmar's mobiles) a country's length is enough: one
    number of a series that the library doesn't know would open a range of honest neighbours. Of
    all others it must know the series: forged numbers have some country's length, too.
    """
    if digits.startswith("+"):
        return False
    try:
        parsed = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return False
    if digits.startswith(("96", "959")):
        return bool(phonenumbers.is_possible_number(parsed))
    return bool(phonenumbers.is_valid_number(parsed))


def prefixes_of(key: str, shortest: int) -> tuple[str, ...]:
    """Return the prefixes of a key from a length on, the widest first, and the key itself."""
    return tuple(key[:length] for length in range(min(shortest, len(key)), len(key) + 1))
