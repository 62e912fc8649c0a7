"""An event says what its verdict says, as short as it can."""

import json
import math
from dataclasses import replace

import numpy as np

from audio_model.gateway.events import CallInfo, Event, EventKind
from tests.gateway.fakes import verdict


def test_evidence_is_rounded_as_decimals_are() -> None:
    random = np.random.default_rng(5)
    scores, voice = (tuple(random.random(50).tolist()) for _ in range(2))
    times = tuple(round(n * 0.08, 6) for n in range(1, 51))
    of = verdict()
    heard = replace(of, evidence=replace(of.evidence, times=times, scores=scores, voice=voice))
    told = json.loads(Event(EventKind.FINAL, CallInfo("1", "stream"), "caller", heard).body)
    assert told["evidence"]["times"] == list(times)
    assert told["evidence"]["scores"] == [round(score, 4) for score in scores]
    assert told["evidence"]["voice"] == [round(share, 3) for share in voice]


def test_what_is_not_known_is_null() -> None:
    of = replace(verdict(), score=math.nan, noise_db=math.nan, snr_db=math.nan)
    told = json.loads(Event(EventKind.VERDICT, CallInfo("1", "stream"), "caller", of).body)
    assert (told["score"], told["noise_db"], told["snr_db"]) == (None, None, None)
    assert "evidence" not in told


def test_a_leg_that_was_not_heard_has_empty_evidence() -> None:
    of = verdict()
    unheard = replace(of, evidence=replace(of.evidence, times=(), scores=(), voice=()))
    told = json.loads(Event(EventKind.FINAL, CallInfo("1", "stream"), "caller", unheard).body)
    assert told["evidence"]["scores"] == []
