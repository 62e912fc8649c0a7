"""People who may use the desk: names, roles, and hashes of their tokens."""

import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from enum import StrEnum

from audio_model.errors import UsageError, printable
from audio_model.records.store import CallStore

_NAME = re.compile(r"[\w.@-]{1,64}")
_TOKEN_BYTES = 32


class Role(StrEnum):
    """A person's rights. Each role has the rights of those before it."""

    READING = "reading"
    """See and hear."""
    MARKING = "marking"
    """Say what calls are."""
    DECIDING = "deciding"
    """Open, close and allow ranges, say what campaigns are, take marks in and give them out."""

    def may(self, needed: "Role") -> bool:
        """Return whether the role is enough for what needs another."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True)
class Person:
    """Somebody at the desk."""

    name: str
    role: Role
    masked: bool = False
    """Whether numbers are never shown in full to them."""


def add(store: CallStore, person: Person) -> str:
    """Let a person sign in, or give them another role. Returns their new token, shown once.

    Raises UsageError for a name that is none.
    """
    if not _NAME.fullmatch(person.name):
        raise UsageError(
            f"{printable(person.name)} is not a name: 1 to 64 letters, digits, '.', '@', '-', '_'"
        )
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    with store.writing():
        store.do("DELETE FROM people WHERE name = ?", (person.name,))
        store.do(
            "INSERT INTO people VALUES (?, ?, ?, ?, ?)",
            (person.name, person.role.value, person.masked, _digest(token), time.time()),
        )
    return token


def remove(store: CallStore, name: str) -> bool:
    """Stop a person from signing in, and return whether there was one of the name."""
    return store.do("DELETE FROM people WHERE name = ?", (name,)).rowcount > 0


def of_token(store: CallStore, token: str) -> Person | None:
    """Return the person with a token; None if it is nobody's."""
    return _person(store, "digest = ?", _digest(token))


def of_name(store: CallStore, name: str) -> Person | None:
    """Return the person with a name; None if nobody may sign in by it any more."""
    return _person(store, "name = ?", name)


def _person(store: CallStore, where: str, value: object) -> Person | None:
    row = store.one(f"SELECT name, role, masked FROM people WHERE {where}", (value,))
    return None if row is None else Person(row[0], Role(row[1]), bool(row[2]))


def _digest(token: str) -> bytes:
    # A token is 32 random bytes: nobody finds it by trying, so a plain digest is enough.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
