"""The events of a leg while its call goes on."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from audio_model.decision import KnownRecording, Verdict

MAX_TEXT = 255
"""Characters of an id, a number or a detail. Gateways need far fewer; what is kept stays small."""
MAX_DETAILS = 50
CALLER, CALLEE = "caller", "callee"
"""Names of the legs in every dialect that tells the parties apart."""


class EventKind(StrEnum):
    """The kind of an event."""

    PROGRESS = "progress"
    """How the score stands; nothing to act on."""
    VERDICT = "verdict"
    """The verdict has changed: recorded, live, or unknown again."""
    FINAL = "final"
    """The verdict that holds from now on. It is the one event that every leg gives, once."""
    REVISED = "revised"
    """Heard again after the final event, if that was asked for: the verdict is another one now."""


@dataclass(frozen=True)
class CallInfo:
    """The facts about a call that its gateway sends."""

    id: str
    """The gateway's own id of the call where it has one."""
    gateway: str
    """The dialect: ``twilio``, ``audiosocket`` ..."""
    caller: str = ""
    called: str = ""
    """Numbers as the gateway writes them; empty where it doesn't tell."""
    details: Mapping[str, str] = field(default_factory=dict)
    """Other ids, and the parameters that the user sent along."""
    tenant: str = ""
    """The tenant of the call; empty without tenants."""

    def cut(self, tenant: str) -> "CallInfo":
        """Return the facts within ``MAX_TEXT`` a text and ``MAX_DETAILS`` details, of a tenant."""
        details = {
            name[:MAX_TEXT]: value[:MAX_TEXT]
            for name, value in islice(self.details.items(), MAX_DETAILS)
        }
        return CallInfo(
            self.id[:MAX_TEXT],
            self.gateway,
            self.caller[:MAX_TEXT],
            self.called[:MAX_TEXT],
            details,
            tenant,
        )


@dataclass(frozen=True)
class Event:
    """One leg of one call, at one moment."""

    kind: EventKind
    call: CallInfo
    leg: str
    verdict: Verdict
    detail: str = ""
    """The description of an error, where the verdict's reason is one."""
    waited_seconds: float = 0.0
    """Wall-clock seconds since the leg began."""
    time: float = field(default_factory=time.time)
    """Seconds since 1970."""

    @property
    def score(self) -> float | None:
        """Return the verdict's score; None if it has none."""
        return None if math.isnan(self.verdict.score) else self.verdict.score

    @property
    def ends_the_caller(self) -> bool:
        """Return whether this is the final event of the caller's leg, which counts for the call."""
        return self.kind is EventKind.FINAL and self.leg == CALLER

    @property
    def known(self) -> KnownRecording | None:
        """Return the known recording that the leg repeats, or None."""
        return self.verdict.evidence.known

    @cached_property
    def body(self) -> bytes:
        """Return the event as JSON. It is made once, for all who are told."""
        # EAGI and the help of serve need no package that the extra brings.
        import msgspec

        return msgspec.json.encode(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return the event for JSON. Only the final event has evidence."""
        verdict, known = self.verdict, self.known
        values: dict[str, Any] = {
            "event": str(self.kind),
            "call": self.call.id,
            "leg": self.leg,
            "gateway": self.call.gateway,
            "caller": self.call.caller,
            "called": self.call.called,
            "details": dict(self.call.details),
            "time": round(self.time, 3),
            "waited_seconds": round(self.waited_seconds, 3),
            "verdict": str(verdict.verdict),
            "score": _number(verdict.score),
            "reason": str(verdict.reason),
            "detail": self.detail,
            "seconds": round(verdict.seconds, 3),
            "speech_seconds": round(verdict.speech_seconds, 2),
            "decided_at": verdict.decided_at,
            "noise_db": _decibels(verdict.noise_db),
            "snr_db": _decibels(verdict.snr_db),
            "codec": verdict.codec,
            "known": None if known is None else known.as_dict(),
        }
        if self.call.tenant:
            values["tenant"] = self.call.tenant
        if self.kind is EventKind.FINAL:
            evidence = verdict.evidence
            values["evidence"] = {
                "strongest": evidence.strongest,
                "times": _rounded(evidence.times, 2),
                "scores": _rounded(evidence.scores, 4),
                "voice": _rounded(evidence.voice, 3),
                "changes": [change.as_dict() for change in evidence.changes],
            }
        return values


def _rounded(values: Sequence[float], digits: int) -> list[float]:
    # A fifth of the time of one round() for each, which was half of what an event takes.
    rounded: list[float] = np.array(values, np.float64).round(digits).tolist()
    return rounded


def _decibels(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 1)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)
