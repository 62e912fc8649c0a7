"""Numbers as people may see them: in full, or without the digits that tell whose they are."""

import re

_KEPT_START, _KEPT_END = 4, 2
_NUMBER_IN_TEXT = re.compile(r"\+?\d{7,}")
_STAR = "*"


def mask(number: str) -> str:
    """Return a number or a range with its middle hidden.

    A number no longer than a segment is returned as it is.
    """
    sign = number[: len(number) - len(number.lstrip("+?"))]
    digits = number.removeprefix(sign)
    code = "86" if sign == "+" and digits.startswith("86") else ""
    rest = digits.removeprefix(code)
    hidden = len(rest) - _KEPT_START - (_KEPT_END if len(rest) > 8 else 0)
    if hidden <= 0 or not rest.isdecimal():
        return number
    end = rest[len(rest) - _KEPT_END :] if len(rest) > 8 else ""
    return sign + code + rest[:_KEPT_START] + _STAR * hidden + end


def mask_text(text: str) -> str:
    """Return a path or an id with possible numbers hidden."""
    return _NUMBER_IN_TEXT.sub(lambda found: mask(found[0]), text)
