"""Groups that turn out to be one: what one call is in two of, none may keep apart."""

from collections.abc import Iterable


class Groups:
    """Names of groups, of which some are found to be the same."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        """A group to one that was met before it."""

    def join(self, names: Iterable[str]) -> None:
        """Say that these are one group: one name or more."""
        first, *others = map(self.name, names)
        for other in others:
            if other != first:
                self._first[other] = first

    def name(self, group: str) -> str:
        """Return what a group is called: the name that was met first of all that are the same."""
        while (before := self._first.get(group, group)) != group:
            group = before
        return group
