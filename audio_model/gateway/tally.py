"""What is open now, by kind: what the limits are held against."""

from collections import Counter
from typing import Protocol

LEGS = "legs"
WEBSOCKETS = "websockets"
AUDIOSOCKETS = "audiosockets"


def legs_of(tenant: str) -> str:
    """Return the kind under which the legs of a tenant are counted."""
    return f"legs of {tenant}"


class Shared(Protocol):
    """Where the processes of one port tell each other what they have open."""

    def tell(self, kind: str, number: int) -> None:
        """Tell the others how many of a kind are open here."""

    def elsewhere(self, kind: str) -> int:
        """Return how many of a kind the others have open."""


class Tally:
    """How many legs and connections are open, here and in the other processes of the port."""

    def __init__(self) -> None:
        self._own: Counter[str] = Counter()
        self._shared: Shared | None = None

    def share(self, shared: Shared) -> None:
        """Count with other processes from now on."""
        self._shared = shared
        for kind, number in self._own.items():
            shared.tell(kind, number)

    def add(self, kind: str, number: int) -> None:
        """Count so many more, or less, of a kind."""
        self._own[kind] += number
        if self._shared is not None:
            self._shared.tell(kind, self._own[kind])

    def own(self, kind: str) -> int:
        """Return how many of a kind are open in this process."""
        return self._own[kind]

    def total(self, kind: str) -> int:
        """Return how many of a kind are open in all processes of the port."""
        here = self._own[kind]
        return here if self._shared is None else here + self._shared.elsewhere(kind)
