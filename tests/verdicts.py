"""When two verdicts are the same up to float rounding."""

import numpy as np
import pytest

from audio_model.decision import Verdict


def assert_same(one: Verdict, other: Verdict, atol: float = 1e-5) -> None:
    assert one.verdict is other.verdict
    assert one.reason is other.reason
    assert one.decided_at == other.decided_at
    assert one.evidence.changes == other.evidence.changes
    assert one.seconds == other.seconds
    assert one.speech_seconds == other.speech_seconds
    assert one.score == pytest.approx(other.score, abs=atol, nan_ok=True)
    assert one.logit == pytest.approx(other.logit, abs=atol, nan_ok=True)
    assert one.evidence.times == other.evidence.times
    np.testing.assert_allclose(one.evidence.scores, other.evidence.scores, rtol=0, atol=atol)
    np.testing.assert_allclose(one.evidence.voice, other.evidence.voice, rtol=0, atol=atol)
    assert (one.evidence.strongest is None) == (other.evidence.strongest is None)
