"""Write calls that the desk has settled as a manifest that ``training`` learns from."""

import os
from collections.abc import Iterator
from dataclasses import replace

from audio_model.ranges.rates import MarkedAs
from audio_model.ranges.rows import MarkedCall
from audio_model.ranges.tables import write_manifest
from audio_model.records.store import CallStore

_AT_ONCE = 1000


def settled(store: CallStore) -> Iterator[MarkedCall]:
    """Yield every call that people settled, by a mark on it or on its campaign.

    They come in the store's order. A call's source, which never crosses a split, is its campaign or
    its caller.
    """
    last = 0
    while True:
        found = store.calls(
            "n > ? AND path != '' AND (settled != '' OR campaign IN "
            "(SELECT n FROM campaigns WHERE mark = 'recorded')) ORDER BY n LIMIT ?",
            (last, _AT_ONCE),
        )
        if not found:
            return
        for call in found:
            campaign = None if call.campaign is None else store.campaign(call.campaign)
            # A manifest has no times, so a call of which nobody knows one is as good.
            timed = replace(call, time=call.time or 0.0)
            heard = timed.for_ranges("" if campaign is None else campaign.name)
            if heard is not None:
                marked = max(
                    (
                        row[0]
                        for row in store.rows("SELECT marked FROM marks WHERE call = ?", (call.n,))
                    ),
                    default=0.0 if campaign is None else campaign.marked or 0.0,
                )
                yield MarkedCall(heard, MarkedAs(call.settled or MarkedAs.RECORDED), marked)
        last = found[-1].n


def export(store: CallStore, path: str | os.PathLike[str]) -> tuple[int, int]:
    """Write the manifest.

    Returns how many calls are in it, and how many have no recording any more. Raises OutputError
    and StoreError.
    """
    total = 0

    def counted() -> Iterator[MarkedCall]:
        nonlocal total
        for each in settled(store):
            total += 1
            yield each

    n = write_manifest(os.fspath(path), counted())
    return n, total - n
