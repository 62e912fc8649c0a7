"""Rows in small batches, with a pause after each in which others write."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

ROWS = 100
"""A transaction of so many takes some milliseconds: no person who marks notices it."""
PAUSE_SECONDS = 0.005
"""A writer that waits looks again and again whether it may write: an import leaves it the time."""


def batches(rows: Iterable[T], n: int = ROWS) -> Iterator[list[T]]:
    """Yield the rows ``n`` at a time, and sleep between two batches."""
    rest = iter(rows)
    batch = list(islice(rest, n))
    while batch:
        yield batch
        batch = list(islice(rest, n))
        if batch:
            time.sleep(PAUSE_SECONDS)
