"""Slices of results: by folder, day, number, or any carried column of few values.

What a manifest's column holds is guessed from its name and from the first rows.
"""

import posixpath
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from statistics import fmean

from audio_model.ranges.numbers import UNREADABLE, WITHHELD, Number, normalise
from audio_model.tables import cells
from audio_model.tables.results import Outcome, Result
from audio_model.times import local, parse

SAMPLE_ROWS = 1000
"""Rows from which columns are guessed."""

MAX_GROUPS = 50_000
"""Groups of a slice that are told apart, so that a million numbers don't fill the memory."""

MAX_FOLDERS = 200
"""Folders that are told apart in the end; those below them are added up."""

_MAX_CATEGORIES = 20
_MAX_CATEGORY_SLICES = 6
_MAX_LABEL_CHARS = 80
_ENOUGH = 0.8
"""Share of a column's values that must look like what its name says."""

_NONE = "–"
"""The group of rows that leave a column empty which is always looked at."""

# Words of a column's name, in lower case; Chinese is written without spaces.
_DAY_NAMES = re.compile(
    r"(?:^|[\W_])(?:date|day|time|timestamp|started|start|created|ts)(?:$|[\W_])"
    r"|datetime|日期|时间|日$"
)
_NUMBER_NAMES = re.compile(
    r"(?:^|[\W_])(?:caller|callee|calling|called|number|phone|tel|mobile|msisdn"
    r"|ani|dnis|did|cli|from|to|src|dst)(?:$|[\W_])|主叫|被叫|号码|电话|手机"
)
_SURE_NUMBER_NAMES = re.compile(
    r"(?:^|[\W_])(?:caller|callee|calling|called|phone|msisdn|ani|dnis|cli)(?:$|[\W_])"
    r"|\u4e3b\u53eb|\u88ab\u53eb|\u53f7\u7801|\u7535\u8bdd|\u624b\u673a"
)
"""These are of numbers however many of them can't be read; ``from`` may be a city."""
_SOME = 0.1
"""Share of numbers among the values of such a column; there may be people's names in it."""
_CATEGORY_NAMES = re.compile(
    r"(?:^|[\W_])(?:trunk|attest|attestation|verstat|campaign|carrier)(?:$|[\W_])"
    r"|\u4e2d\u7ee7|\u8fd0\u8425\u5546"
)
"""Columns that are looked at however many values they have: nobody's count is a limit to trunks."""
_CALLERS = re.compile(r"(?:^|[\W_])(?:caller|calling|ani|cli|from|src)(?:$|[\W_])|\u4e3b\u53eb")
_DATE = re.compile(r"\s*(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})(?!\d)")
_COMPACT_DATE = re.compile(r"\s*((?:19|20)\d{2})(\d{2})(\d{2})(?:$|[T_ -]?\d{4,6})")


class SliceKind(StrEnum):
    """A way in which results fall into groups."""

    FOLDER = "folder"
    DAY = "day"
    NUMBER = "number"
    PREFIX = "prefix"
    """How a number begins: 9521, +86139, a country."""
    CATEGORY = "category"


@dataclass(frozen=True)
class SliceBy:
    """The kind of a slice, and the column that tells a result's group."""

    kind: SliceKind
    column: str = ""
    """The carried column; empty for folders."""

    def group_of(self, result: Result) -> str | None:
        """Return the group of one result; None if its row has no value for it."""
        if self.kind is SliceKind.FOLDER:
            return folder_of(result.path)
        value = result.carried.get(self.column)
        if value is None or value == "":
            always = self.kind is SliceKind.CATEGORY and _CATEGORY_NAMES.search(self.column.lower())
            return _NONE if always else None
        if self.kind is SliceKind.DAY:
            day = day_of(value)
            return None if day is None else day.isoformat()
        if self.kind is SliceKind.NUMBER:
            return _number(value).key
        if self.kind is SliceKind.PREFIX:
            return _number(value).reported_prefix
        return str(value).strip()[:_MAX_LABEL_CHARS] or None


def guess_slices(sample: Sequence[Result]) -> list[SliceBy]:
    """Return the slices that the first rows of results allow. Folders are always among them."""
    columns: dict[str, list[object]] = {}
    for result in sample:
        for name, value in result.carried.items():
            if value is not None and value != "":
                columns.setdefault(name, []).append(value)
    kinds = {name: _guess_kind(name, values) for name, values in columns.items()}
    slices = [SliceBy(SliceKind.FOLDER)]
    for kind, most in (
        (SliceKind.DAY, 1),
        (SliceKind.NUMBER, 2),
        (SliceKind.CATEGORY, _MAX_CATEGORY_SLICES),
    ):
        names = [name for name, found in kinds.items() if found is kind]
        names.sort(key=lambda name: _CATEGORY_NAMES.search(name.lower()) is None)
        slices += [SliceBy(kind, name) for name in names[:most]]
    numbers = [by for by in slices if by.kind is SliceKind.NUMBER]
    if numbers:
        # Whose numbers call is what a prefix tells; of those called it tells where people live.
        caller = next((by for by in numbers if _CALLERS.search(by.column.lower())), numbers[0])
        slices.insert(slices.index(caller), SliceBy(SliceKind.PREFIX, caller.column))
    return slices


def _guess_kind(name: str, values: Sequence[object]) -> SliceKind | None:
    texts = [str(value) for value in values]
    lower = name.lower()
    named_day = _DAY_NAMES.search(lower) is not None
    if _share(_DATE.match(text) is not None for text in texts) >= _ENOUGH or (
        named_day and _share(day_of(text) is not None for text in texts) >= _ENOUGH
    ):
        return SliceKind.DAY
    if _NUMBER_NAMES.search(lower) and _are_numbers(lower, texts):
        return SliceKind.NUMBER
    distinct = set(texts)
    if _CATEGORY_NAMES.search(lower):
        return SliceKind.CATEGORY
    if 2 <= len(distinct) <= min(_MAX_CATEGORIES, len(texts) / 2):
        return SliceKind.CATEGORY
    return None


def _are_numbers(name: str, texts: Sequence[str]) -> bool:
    """Return whether the values of a column that is named so are telephone numbers."""
    numbers = [_number(text) for text in texts]
    if all(number.key == WITHHELD for number in numbers):
        return False
    if _share(number.key != UNREADABLE for number in numbers) >= _ENOUGH:
        return True
    told = _share(number.flag is None and number.key != WITHHELD for number in numbers)
    return _SURE_NUMBER_NAMES.search(name) is not None and told >= _SOME


def _share(flags: Iterable[bool]) -> float:
    return fmean(map(float, flags))


def day_of(value: object) -> date | None:
    """Return the day that a date names, or the one of a time as :func:`times.read` reads it.

    It is the day by the clock that the text was written by, or by the machine's own.
    """
    text = str(value)
    try:
        if match := _DATE.match(text) or _COMPACT_DATE.match(text):
            return date(*map(int, match.groups()))
        return local(parse(value)).date()
    except ValueError:
        return None


def _number(value: object) -> Number:
    """Return the number that a cell means."""
    return normalise(cells.as_text(value))


def folder_of(path: str) -> str:
    """Return the folder that a path is in.

    For an archive's member it is the archive and the folder inside.
    """
    member, _, archive = path.partition("::")
    if archive:
        return posixpath.join(archive, posixpath.dirname(member.partition("://")[2]))
    return posixpath.dirname(path) or "."


@dataclass
class Slice:
    """Counts by outcome of each group of a slice."""

    by: SliceBy
    groups: dict[str, Counter[Outcome]] = field(default_factory=dict)
    beyond: Counter[Outcome] = field(default_factory=Counter)
    """Counts of the groups that came after MAX_GROUPS."""

    def add(self, result: Result) -> None:
        """Count a result in its group."""
        group = self.by.group_of(result)
        if group is None:
            return
        counts = self.groups.get(group)
        if counts is None:
            if len(self.groups) >= MAX_GROUPS:
                counts = self.beyond
            else:
                counts = self.groups[group] = Counter()
        counts[result.outcome] += 1


def group_folders(folders: Collection[str], max_groups: int) -> dict[str, str]:
    """Map each folder to itself or to one above it, so that few enough remain to show.

    The level is the deepest with at most ``max_groups`` folders, or else the first level at which
    folders differ.
    """
    names = {folder: folder.split("/") for folder in folders}
    deepest = max(map(len, names.values()), default=1)

    def at(level: int) -> dict[str, str]:
        return {folder: "/".join(parts[:level]) or "/" for folder, parts in names.items()}

    sizes = [len(set(at(level).values())) for level in range(1, deepest + 1)]
    return at(max(bisect_right(sizes, max_groups), min(bisect_right(sizes, 1) + 1, deepest)))
