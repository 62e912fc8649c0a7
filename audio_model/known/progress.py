"""How far the grouping of an archive has come: a file from which a run that was cut off goes on.

It is a store of the calls that are remembered, and a row for each call that was heard. A call's
fingerprint and its row are written together, or neither is.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

from audio_model.files import PARTIAL
from audio_model.known.campaigns import HeardCall, Link
from audio_model.known.store import UPGRADE_FROM_4, Store
from audio_model.sqlite import Format
from audio_model.tables.rows import Entry

SUFFIX = f".heard{PARTIAL}"
"""Ending of the file, behind the name of the table that is to be."""

_SCHEMA = """
CREATE TABLE heard (
    number INTEGER PRIMARY KEY,
    asked BLOB NOT NULL,
    call TEXT NOT NULL,
    error TEXT NOT NULL
);
"""
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class HeardEntry:
    """A call that was heard."""

    asked: bytes
    """The digest of the entry; see :func:`digest_of`."""
    call: HeardCall
    error: str
    """Why it could not be heard; empty if it was."""


class CampaignProgress(Store):
    """The calls heard so far. Raises StoreError as every store does."""

    format = Format(
        kind="list of calls heard for campaigns",
        application_id=0x68656172,
        version=2,
        schema=Store.format.schema + _SCHEMA,
        upgrades={1: UPGRADE_FROM_4},
    )

    def calls_heard(self) -> Iterator[HeardEntry]:
        """Yield the calls in the order in which they were heard."""
        with self._errors():
            rows = self._db.execute("SELECT asked, call, error FROM heard ORDER BY number")
            for asked, text, error in rows.fetchall():
                values = json.loads(text)
                links = tuple(Link(**link) for link in values.pop("links"))
                yield HeardEntry(asked, HeardCall(**values, links=links), error)

    def note(self, heard: HeardEntry) -> None:
        """Keep one more call."""
        with self.writing():
            self._db.execute(
                "INSERT INTO heard (asked, call, error) VALUES (?, ?, ?)",
                (heard.asked, json.dumps(asdict(heard.call)), heard.error),
            )

    def delete(self) -> None:
        """Close the file and remove it: the table is written, or something else was asked."""
        self.close()
        for ending in ("", "-wal", "-shm"):
            Path(f"{self.path}{ending}").unlink(missing_ok=True)


def digest_of(entry: Entry, max_seconds: float) -> bytes:
    """Return a digest of an entry: its path, its other columns, and how much of it is heard."""
    asked = json.dumps([entry.path, dict(entry.carried), entry.problem, max_seconds], default=str)
    return blake2b(asked.encode(), digest_size=_DIGEST_BYTES).digest()
