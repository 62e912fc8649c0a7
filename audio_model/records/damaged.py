"""Rows of an import that can't be read: all are counted, and the first are told one by one."""

from dataclasses import dataclass, field

from audio_model.tables.readers import DamagedRow

MAX_KEPT = 20


@dataclass
class DamagedRows:
    """The damaged rows of an import, as part of its result."""

    damaged: int = 0
    problems: list[DamagedRow] = field(default_factory=list)
    """The first MAX_KEPT of them."""

    def leave_out(self, row: DamagedRow) -> None:
        """Count a damaged row."""
        self.damaged += 1
        if len(self.problems) < MAX_KEPT:
            self.problems.append(row)
