"""A verdict in channel variables of Asterisk, with those of its own AMD() among them.

A dialplan that reads ``AMDSTATUS`` after ``AMD()`` works unchanged. Source: Asterisk documentation,
"AMD" (Dialplan Applications).
"""

from collections.abc import Mapping
from enum import StrEnum

from audio_model.decision import Reason, VerdictKind


class AmdStatus(StrEnum):
    """The values of ``AMDSTATUS``."""

    HUMAN = "HUMAN"
    MACHINE = "MACHINE"
    NOTSURE = "NOTSURE"
    HANGUP = "HANGUP"
    """The caller hung up while the program listened."""


_STATUS = {
    VerdictKind.RECORDED: AmdStatus.MACHINE,
    VerdictKind.LIVE: AmdStatus.HUMAN,
    VerdictKind.UNKNOWN: AmdStatus.NOTSURE,
}


def channel_variables(
    verdict: VerdictKind,
    score: float | None,
    reason: Reason,
    seconds: float,
    *,
    hung_up: bool = False,
) -> dict[str, str]:
    """Return the variables' values by their names.

    Args:
        score: None if no audio was heard.
        reason: why the verdict is unknown.
        seconds: audio heard.

    ``AMDCAUSE`` is written as AMD() writes it, with hyphens: ``RECORDED-0.975-2320`` holds the
    verdict or the reason of an unknown one, the score, and the milliseconds heard.
    """
    shown = "0" if score is None else f"{score:.3f}"
    cause = reason.upper() or verdict.upper()
    status = AmdStatus.HANGUP if hung_up else _STATUS[verdict]
    return {
        "AMDSTATUS": str(status),
        "AMDCAUSE": f"{cause}-{shown}-{round(1000 * seconds)}",
        "AUDIOMODEL_VERDICT": str(verdict),
        "AUDIOMODEL_SCORE": "" if score is None else f"{score:.4f}",
        "AUDIOMODEL_REASON": str(reason),
        "AUDIOMODEL_SECONDS": f"{seconds:.2f}",
    }


def range_variables(advice: Mapping[str, object]) -> dict[str, str]:
    """Return variables with the advice that ``GET /v1/ranges/{number}`` gives on the caller."""
    return {
        "AUDIOMODEL_RANGE_ACT": str(advice["act"]),
        "AUDIOMODEL_RANGE_STATE": str(advice["state"]),
        "AUDIOMODEL_RANGE": str(advice["range"]),
    }
