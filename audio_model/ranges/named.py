"""Ranges as people and the tree name them: what a name means, and whose numbers it holds."""

import re

from audio_model.errors import printable
from audio_model.ranges.numbers import (
    ALLOTTED_DIGITS,
    HOME_CODE,
    IMPLAUSIBLE,
    MAX_DIGITS,
    SHORTEST_PREFIX,
    UNREADABLE,
    WITHHELD,
    Flag,
    country_of,
    normalise,
    prefixes_of,
)


def range_of(text: str) -> str:
    """Return the range or number that a person names, as the tree names it.

    ``1391`` and ``0571`` are China's, ``+44`` is a country's. Raises ValueError for other texts.
    """
    number = normalise(text)
    if number.flag is None and number.key != WITHHELD:
        return number.key
    bare = "".join(text.split()).replace("-", "")
    if not re.fullmatch(r"\??\+?[0-9]+", bare, re.ASCII):
        raise ValueError(
            f"{printable(text)} is not a range: only digits, and + before a country code"
        )
    if len(bare.lstrip("?+")) > MAX_DIGITS:
        raise ValueError(f"{printable(text)} is not a range: it has more than {MAX_DIGITS} digits")
    if bare.startswith((IMPLAUSIBLE, "+")):
        return bare
    if bare.startswith("00"):
        return f"+{bare[2:]}"
    home = bare.removeprefix("86").removeprefix("0")
    if home != bare and not home.startswith(("95", "96")):
        return HOME_CODE + home
    if re.match(r"1[3-9]|[48]00", home):
        return HOME_CODE + home
    if re.match(r"9[56]?|1[0-2]?", home):
        return home
    raise ValueError(
        f"{printable(text)} is not a range: begin with + and the country's code, or with 0 and the "
        "area's"
    )


def holds_many_owners(prefix: str) -> bool:
    """Return whether a range is wider than what one owner can have.

    ``prefix`` is the range's name in the tree.
    """
    digits = prefix.removeprefix(IMPLAUSIBLE)
    number = normalise(digits)
    if number.flag is None and number.key == digits:
        # A whole number, however short: 110, or a bank's 95588.
        return False
    if not digits.startswith("+"):
        return len(digits) < ALLOTTED_DIGITS["service"]
    if digits.startswith(HOME_CODE):
        return len(digits) < len(HOME_CODE) + ALLOTTED_DIGITS["national"]
    return len(digits) < len(country_of(digits)) + ALLOTTED_DIGITS["foreign"]


def is_too_wide(prefix: str) -> bool:
    """Return whether a range has many owners, so that it is warned of and never opened.

    ``prefix`` is the range's name in the tree.
    """
    return not prefix.startswith(IMPLAUSIBLE) and holds_many_owners(prefix)


def has_no_owner(prefix: str) -> bool:
    """Return whether nobody can tell whose calls a range holds.

    ``prefix`` is the range's name in the tree.
    """
    if prefix in (WITHHELD, UNREADABLE):
        return True
    number = normalise(prefix.removeprefix(IMPLAUSIBLE))
    return number.flag is Flag.TOO_SHORT and number.key == prefix


def wider_than(prefix: str) -> tuple[str, ...]:
    """Return the ranges that also contain a range, the widest first."""
    shortest = SHORTEST_PREFIX + prefix.startswith(IMPLAUSIBLE)
    if prefix.startswith(HOME_CODE):
        shortest = len(HOME_CODE) + SHORTEST_PREFIX
    elif prefix.startswith(("+", "1")):
        shortest = 2
    return prefixes_of(prefix, shortest)[:-1] if len(prefix) > shortest else ()
