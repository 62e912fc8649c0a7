"""Results made up for tests, and pages read back by a parser of someone else's."""

import json
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib

from audio_model.tables.results import Outcome, Result

XHTML = "{http://www.w3.org/1999/xhtml}"


def result(
    path: str = "calls/a.wav",
    outcome: Outcome = Outcome.RECORDED,
    score: float | None = 0.9,
    **more: Any,
) -> Result:
    """A row; an error has no score and a message unless told otherwise."""
    if outcome is Outcome.ERROR:
        return Result(path, outcome, **{"error": "no such file", "reason": "error"} | more)
    values: dict[str, Any] = {"seconds": 6.0, "speech_seconds": 4.0, "reason": "", **more}
    return Result(path, outcome, score=score, **values)


def values_of(row: Result) -> dict[str, object]:
    """A row as a result file has it."""
    return {
        "path": row.path,
        "channel": row.channel or None,
        "verdict": "unknown" if row.outcome is Outcome.ERROR else row.outcome.value,
        "score": row.score,
        "logit": row.score,
        "seconds": row.seconds,
        "speech_seconds": row.speech_seconds,
        "decided_at": row.decided_at,
        "reason": row.reason or None,
        "error": row.error or None,
        **row.carried,
    }


def write_jsonl(path: Path, rows: Iterable[Result]) -> Path:
    lines = (json.dumps(values_of(row)) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def parse(page: str) -> Element:
    """The page as a browser would read it. Raises ParseError for what is not HTML."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # html5lib's own
        return html5lib.HTMLParser(strict=True).parse(page)


def said(root: Element) -> str:
    """All text of a page but for its style and script, one space between words."""
    body = root.find(f"{XHTML}body")
    assert body is not None
    return " ".join("".join(_texts(body)).split())


def _texts(node: Element) -> Iterator[str]:
    if node.tag in (f"{XHTML}script", f"{XHTML}style"):
        return
    # A place where a name may break is no space.
    between = "" if node.tag == f"{XHTML}wbr" else " "
    yield between
    yield node.text or ""
    for child in node:
        yield from _texts(child)
        yield child.tail or ""
    yield between


def tables(root: Element) -> list[list[list[str]]]:
    """The cells of every table, as text."""
    return [
        [
            [
                " ".join("".join(cell.itertext()).split())
                for cell in row
                if cell.tag[-2:] in ("th", "td")
            ]
            for row in table.iter(f"{XHTML}tr")
        ]
        for table in root.iter(f"{XHTML}table")
    ]
