import math
from dataclasses import replace

from audio_model.decision import Reason, VerdictKind
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.outlets.metrics import Metrics
from tests.gateway.fakes import verdict


class Calls:
    open_legs = 3

    def queue_age(self) -> float:
        return 0.25


def samples(metrics: Metrics) -> dict[str, float]:
    lines = [line for line in metrics.text().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def event(kind: EventKind, of: VerdictKind, reason: Reason | None = None) -> Event:
    made = verdict(of)
    if reason is not None:
        made = replace(made, reason=reason)
    return Event(kind, CallInfo("a", "twilio"), "caller", made, waited_seconds=1.75)


def test_finals_are_counted_by_verdict_and_reason() -> None:
    metrics = Metrics()
    metrics.watch(Calls())
    metrics.count(event(EventKind.VERDICT, VerdictKind.RECORDED))
    metrics.count(event(EventKind.FINAL, VerdictKind.RECORDED))
    metrics.count(event(EventKind.FINAL, VerdictKind.UNKNOWN, Reason.OVERLOAD))
    metrics.count(event(EventKind.FINAL, VerdictKind.UNKNOWN, Reason.OVERLOAD))
    found = samples(metrics)
    verdicts = "audio_model_verdicts_total"
    assert found[verdicts + '{gateway="twilio",reason="",verdict="recorded"}'] == 1
    assert found[verdicts + '{gateway="twilio",reason="overload",verdict="unknown"}'] == 2
    assert found["audio_model_legs_open"] == 3
    assert found["audio_model_legs_started_total"] == 6
    assert found["audio_model_queue_age_seconds"] == 0.25


def test_times_are_in_histograms() -> None:
    metrics = Metrics()
    metrics.count(event(EventKind.VERDICT, VerdictKind.RECORDED))
    metrics.count(event(EventKind.FINAL, VerdictKind.RECORDED))
    metrics.count(event(EventKind.FINAL, VerdictKind.UNKNOWN))
    found = samples(metrics)
    decision = 'audio_model_decision_seconds_bucket{le="%s",verdict="recorded"}'
    assert found[decision % "1.5"] == 0
    assert found[decision % "2.0"] == 1
    assert found['audio_model_answer_seconds_sum{gateway="twilio"}'] == 3.5
    # 1.75 s by the clock after 1.6 s of audio.
    assert found['audio_model_lag_seconds_bucket{le="0.1"}'] == 0
    assert found['audio_model_lag_seconds_bucket{le="0.2"}'] == 3


def test_scores_are_in_a_histogram_and_calls_without_one_are_not() -> None:
    metrics = Metrics()
    for score in (0.02, 0.97, math.nan):
        made = event(EventKind.FINAL, VerdictKind.UNKNOWN)
        metrics.count(replace(made, verdict=replace(made.verdict, score=score)))
    found = samples(metrics)
    bucket = 'audio_model_score_bucket{gateway="twilio",le="%s"}'
    assert found[bucket % "0.05"] == found[bucket % "0.95"] == 1
    assert found['audio_model_score_count{gateway="twilio"}'] == 2


def test_codecs_and_noise_are_told_of_legs_that_were_heard() -> None:
    metrics = Metrics()
    for snr_db, noise_db, codec in (
        (31.0, -60.0, "alaw"),
        (-2.0, -20.0, "alaw"),
        (math.nan, -60.0, "gsm"),
        (math.nan, math.nan, "mulaw"),
    ):
        made = event(EventKind.FINAL, VerdictKind.LIVE)
        of = replace(made.verdict, snr_db=snr_db, noise_db=noise_db, codec=codec)
        metrics.count(replace(made, verdict=of))
    found = samples(metrics)
    assert found['audio_model_codecs_total{codec="alaw",gateway="twilio"}'] == 2
    assert found['audio_model_codecs_total{codec="gsm",gateway="twilio"}'] == 1
    assert not any("mulaw" in name for name in found)
    assert found['audio_model_snr_db_count{gateway="twilio"}'] == 2
    # It may only rise: what lies below the noise counts as 0.
    assert found['audio_model_snr_db_sum{gateway="twilio"}'] == 31


def test_two_servers_of_a_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.count(event(EventKind.FINAL, VerdictKind.LIVE))
    assert one.finals == 1
    assert other.finals == 0
    assert "audio_model_verdicts_total{" not in other.text().decode()
    assert samples(other)["process_resident_memory_bytes"] > 0
