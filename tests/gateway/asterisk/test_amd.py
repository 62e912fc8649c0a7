"""Channel variables say what AMD() would, for dialplans that ask it today."""

import pytest

from audio_model.decision import Reason, VerdictKind
from audio_model.gateway.asterisk.amd import channel_variables


@pytest.mark.parametrize(
    ("verdict", "reason", "status", "cause"),
    [
        (VerdictKind.RECORDED, Reason.NONE, "MACHINE", "RECORDED-0.975-2320"),
        (VerdictKind.LIVE, Reason.NONE, "HUMAN", "LIVE-0.975-2320"),
        (VerdictKind.UNKNOWN, Reason.UNSURE, "NOTSURE", "UNSURE-0.975-2320"),
        (VerdictKind.UNKNOWN, Reason.TONES, "NOTSURE", "TONES_ONLY-0.975-2320"),
    ],
)
def test_the_status_is_amds_and_the_cause_says_why(
    verdict: VerdictKind, reason: Reason, status: str, cause: str
) -> None:
    variables = channel_variables(verdict, 0.97493, reason, 2.32)
    assert (variables["AMDSTATUS"], variables["AMDCAUSE"]) == (status, cause)
    assert variables["AUDIOMODEL_VERDICT"] == verdict
    assert variables["AUDIOMODEL_SCORE"] == "0.9749"
    assert variables["AUDIOMODEL_REASON"] == reason
    assert variables["AUDIOMODEL_SECONDS"] == "2.32"


def test_where_nothing_was_heard_there_is_no_score() -> None:
    variables = channel_variables(VerdictKind.UNKNOWN, None, Reason.NO_AUDIO, 0.0)
    assert variables["AMDCAUSE"] == "NO_AUDIO-0-0"
    assert variables["AUDIOMODEL_SCORE"] == ""


def test_a_caller_who_hung_up_is_told_so() -> None:
    variables = channel_variables(VerdictKind.LIVE, 0.1, Reason.NONE, 1.0, hung_up=True)
    assert variables["AMDSTATUS"] == "HANGUP"
    assert variables["AUDIOMODEL_VERDICT"] == "live"
