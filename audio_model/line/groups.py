"""Groups of calls that turn out to be one: a call that is in two of them joins the two."""

from collections.abc import Iterable


class Groups:
    """Names of groups, of which some are found to be the same."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        """A group to one that was met before it."""

    def join(self, names: Iterable[str]) -> None:
        """Make one group of these, which may be one already."""
        first, *others = map(self.name, names)
        for other in others:
            if other != first:
                self._first[other] = first

    def name(self, group: str) -> str:
        """Return the name of the group that this one is part of: the name that was met first."""
        while (before := self._first.get(group, group)) != group:
            group = before
        return group
