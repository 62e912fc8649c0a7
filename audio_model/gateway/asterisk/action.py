"""What is done about an event."""

import math
from enum import StrEnum

from audio_model.decision import VerdictKind
from audio_model.gateway.asterisk.amd import channel_variables
from audio_model.gateway.events import Event, EventKind


class Action(StrEnum):
    """What Asterisk is asked to do about a verdict."""

    VARIABLE = "variable"
    HANGUP = "hangup"
    """Of a recording; of others nothing."""


def asks_to_hang_up(action: Action, event: Event) -> bool:
    """Whether the call is to end now. A verdict counts before it is final, as its rates do."""
    recorded = event.verdict.verdict is VerdictKind.RECORDED
    return action is Action.HANGUP and recorded and event.kind is not EventKind.PROGRESS


def variables_to_set(action: Action, event: Event) -> dict[str, str]:
    """The channel variables to set now; none while nothing new is known."""
    if action is not Action.VARIABLE or event.kind is EventKind.PROGRESS:
        return {}
    verdict = event.verdict
    score = None if math.isnan(verdict.score) else verdict.score
    return channel_variables(verdict.verdict, score, verdict.reason, verdict.seconds)
