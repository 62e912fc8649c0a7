"""Whatever happens to a leg, it gives one final event; many are heard as if each were alone."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_model.decision import Reason, Verdict, VerdictKind
from audio_model.detector import Detector
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway import deadline, engine, legs
from audio_model.gateway.calls import Call, Calls
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.lag import LoopLag
from audio_model.gateway.legs import Leg
from audio_model.known.follow import KnownFollower, KnownRecordings
from audio_model.stream import StreamDetector, hear_together
from tests import sounds
from tests.gateway.clock import Clock, run_by_clock
from tests.gateway.waiting import until

MULAW = RawFormat(Encoding.MULAW)
PACKET = 160


RECORDED = sounds.mulaw(sounds.voice(4, 9, played=True))
LIVE = sounds.mulaw(sounds.voice(4, 2))


def cut(payload: bytes, size: int = PACKET) -> list[bytes]:
    ends = [*range(0, len(payload), size), len(payload)]
    return [payload[start:end] for start, end in pairwise(ends)]


class Told:
    """The events of a call, as its dialect gets them."""

    def __init__(self, calls: Calls, call_id: str = "1") -> None:
        self.events: list[Event] = []
        self.call: Call = calls.open(CallInfo(call_id, "test"), self.events.append)

    @property
    def finals(self) -> list[Event]:
        return [event for event in self.events if event.kind is EventKind.FINAL]

    @property
    def final(self) -> Event:
        (final,) = self.finals
        return final


def made(detector: Detector, **options: Any) -> Calls:
    """Calls whose legs have half a minute, unless ``options`` say otherwise."""
    return Calls(
        detector, **{"deadline_seconds": 30, "wait_seconds": 0, "max_legs": 100, **options}
    )


def run(
    detector: Detector, scene: Callable[[Calls], Coroutine[Any, Any, None]], **options: Any
) -> None:
    async def main() -> None:
        await scene(made(detector, **options))

    asyncio.run(main())


def by_clock(
    detector: Detector, scene: Callable[[Calls, Clock], Coroutine[Any, Any, None]], **options: Any
) -> None:
    """Run a scene that is about time by a clock of its own."""

    async def main(clock: Clock) -> None:
        await scene(made(detector, **options), clock)

    run_by_clock(main)


async def heard(*legs: Leg) -> None:
    """Wait until the engine has heard what was fed."""
    for _ in range(6_000):
        if not any(leg.queued for leg in legs):
            return
        await asyncio.sleep(0.005)
    raise AssertionError("the engine does not come to an end")


def test_a_leg_gets_the_verdict_of_the_whole_recording(detector: Detector) -> None:
    async def scene(calls: Calls) -> None:
        told = Told(calls)
        leg = told.call.open_leg("caller", MULAW)
        for packet in cut(RECORDED):
            leg.feed(packet)
            await asyncio.sleep(0)
        await heard(leg)
        assert [event.kind for event in told.events] == [EventKind.VERDICT]
        told.call.close()
        alone = detector.stream(8000, Encoding.MULAW)
        alone.feed(RECORDED)
        expected = alone.flush()
        assert told.final.verdict.verdict is expected.verdict is VerdictKind.RECORDED
        assert told.final.verdict.score == pytest.approx(expected.score, abs=1e-5)
        assert told.final.verdict.decided_at == expected.decided_at
        assert told.final.leg == "caller"
        assert told.call.finished and leg.finished and calls.open_legs == 0

    run(detector, scene)


def test_many_legs_are_heard_as_if_alone(detector: Detector) -> None:
    voices = [sounds.mulaw(sounds.voice(1.5 + n % 3, n, played=bool(n % 2))) for n in range(40)]
    formats = [RawFormat(Encoding.MULAW, rate) for rate in (8000, 8000, 16_000)]

    async def scene(calls: Calls) -> None:
        told = [Told(calls, str(n)) for n in range(len(voices))]
        legs = [
            call.call.open_leg("caller", formats[n % len(formats)]) for n, call in enumerate(told)
        ]
        for at in range(0, 4 * 8000, 700):
            for n, leg in enumerate(legs):
                leg.feed(voices[n][at : at + 700])
            await asyncio.sleep(0.001)
        await heard(*legs)
        for n, call in enumerate(told):
            call.call.close()
            alone = detector.stream(formats[n % len(formats)].sample_rate, Encoding.MULAW)
            alone.feed(voices[n])
            expected = alone.flush()
            got = call.final.verdict
            assert got.verdict is expected.verdict
            assert got.decided_at == expected.decided_at
            assert got.evidence.scores == pytest.approx(expected.evidence.scores, abs=1e-5)

    run(detector, scene)


def test_numbered_packets_are_put_in_order(detector: Detector) -> None:
    async def scene(calls: Calls) -> None:
        told = Told(calls)
        leg = told.call.open_leg("caller", MULAW)
        numbered = list(enumerate(cut(RECORDED), start=65_530))
        for first, second in zip(numbered[1::2], numbered[2::2], strict=False):
            numbered[numbered.index(first)], numbered[numbered.index(second)] = second, first
        for number, packet in numbered:
            leg.feed_numbered(number, packet)
        told.call.close()
        alone = detector.stream(8000, Encoding.MULAW)
        alone.feed(RECORDED)
        assert told.final.verdict.score == pytest.approx(alone.flush().score, abs=1e-5)

    run(detector, scene)


def test_the_final_comes_when_enough_was_heard_and_packets_are_free_then(
    detector: Detector,
) -> None:
    async def scene(calls: Calls) -> None:
        told = Told(calls)
        leg = told.call.open_leg("caller", MULAW)
        for packet in cut(RECORDED):
            leg.feed(packet)
        await heard(leg)
        assert told.final.verdict.seconds == 2
        assert leg.finished and leg.stream is None
        leg.feed(RECORDED)
        leg.feed_numbered(1, RECORDED)
        assert not leg.queued
        told.call.close()
        assert len(told.finals) == 1

    run(detector, scene, listen_seconds=2)


@pytest.mark.parametrize("audio, reason", [(b"", Reason.NO_AUDIO), (LIVE[:900], Reason.TOO_SHORT)])
def test_the_deadline_brings_the_final(detector: Detector, audio: bytes, reason: Reason) -> None:
    async def scene(calls: Calls, _: Clock) -> None:
        told = Told(calls)
        leg = told.call.open_leg("caller", MULAW)
        leg.feed(audio)
        await until(lambda: leg.finished)
        assert told.final.verdict.verdict is VerdictKind.UNKNOWN
        assert told.final.verdict.reason is reason
        lead = deadline.LEAD_SECONDS
        assert told.final.waited_seconds == pytest.approx(5 - lead, abs=0.02)
        assert leg.finished

    by_clock(detector, scene, deadline_seconds=5)


def test_a_leg_is_looked_for_in_earlier_calls_ahead_of_its_deadline(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KnownRecordings(tmp_path / "known.db", learn=True)
    looked: list[tuple[float, float]] = []

    async def scene(calls: Calls, clock: Clock) -> None:
        look_ahead = KnownFollower.look_ahead

        def look(follower: KnownFollower) -> None:
            look_ahead(follower)
            assert follower.matcher is not None
            looked.append((clock.time(), follower.matcher.seconds))

        monkeypatch.setattr(KnownFollower, "look_ahead", look)
        told = Told(calls)
        leg = told.call.open_leg("caller", MULAW)
        leg.feed(LIVE[: 8 * 2560])
        await until(lambda: leg.finished)
        at = 5 - deadline.LEAD_SECONDS - deadline.LOOK_SECONDS
        assert looked == [(pytest.approx(at, abs=0.02), 2.56)]
        assert told.final.waited_seconds == pytest.approx(5 - deadline.LEAD_SECONDS, abs=0.02)

    by_clock(detector.knowing(known), scene, deadline_seconds=5)
    known.close()


def test_the_deadline_does_not_wait_for_the_engine(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SHORTEST_PAUSE", 30.0)

    async def scene(calls: Calls, _: Clock) -> None:
        told = Told(calls)
        told.call.open_leg("caller", MULAW).feed(RECORDED)
        await until(lambda: bool(told.finals))
        assert told.final.verdict.verdict is VerdictKind.RECORDED

    by_clock(detector, scene, deadline_seconds=5)


def test_deadlines_of_one_moment_let_others_in_and_each_leg_has_one_final(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CONCLUDE_SECONDS", 0.0)
    # No round of the queue hears these legs as well, in a turn that is counted here.
    monkeypatch.setattr(engine, "SHORTEST_PAUSE", 30.0)

    async def scene(calls: Calls) -> None:
        told = [Told(calls, str(n)) for n in range(3 * engine.LEGS_A_RUN)]
        legs = [each.call.open_leg("caller", MULAW) for each in told]
        for leg in legs:
            leg.feed(RECORDED[:16_000])
        for leg in (*legs, *legs):
            calls.engine.conclude(leg)
        turns = []
        async with asyncio.timeout(30):
            while not all(leg.finished for leg in legs):
                await asyncio.sleep(0)
                turns.append(sum(leg.finished for leg in legs))
        assert max(b - a for a, b in pairwise([0, *turns])) <= engine.LEGS_A_RUN
        assert {each.final.verdict.verdict for each in told} == {VerdictKind.RECORDED}

    run(detector, scene)


def test_where_finals_take_longer_than_is_left_legs_are_not_heard_any_more(
    detector: Detector,
) -> None:
    async def scene(calls: Calls) -> None:
        # As measured on a machine that others use.
        calls.engine._final_seconds = 0.5
        told = [Told(calls, str(n)) for n in range(10)]
        for each in told:
            leg = each.call.open_leg("caller", MULAW)
            leg.feed(RECORDED)
            calls.engine.conclude(leg)
        await until(lambda: all(each.finals for each in told))
        assert {each.final.verdict.reason for each in told} == {Reason.OVERLOAD}

    run(detector, scene, deadline_seconds=4.0)


def test_beyond_max_legs_the_answer_is_overload_at_once(detector: Detector) -> None:
    async def scene(calls: Calls) -> None:
        one, two, three = (Told(calls, str(n)) for n in range(3))
        one.call.open_leg("caller", MULAW)
        leg = two.call.open_leg("caller", MULAW)
        assert leg.finished
        assert two.final.verdict.verdict is VerdictKind.UNKNOWN
        assert two.final.verdict.reason is Reason.OVERLOAD
        assert two.final.verdict.codec == MULAW.codec
        leg.feed(RECORDED)
        assert not one.events
        one.call.close()
        assert not three.call.open_leg("caller", MULAW).finished
        three.call.close()

    run(detector, scene, max_legs=1)


def test_nothing_is_made_for_a_leg_that_is_refused(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made_in_vain(*_: object, **__: object) -> None:
        raise AssertionError("a full machine has no time for this")

    async def scene(calls: Calls) -> None:
        for name in ("stream", "within"):
            monkeypatch.setattr(Detector, name, made_in_vain)
        for made in ("Deadline", "Doubt"):
            monkeypatch.setattr(legs, made, made_in_vain)
        told = Told(calls)
        leg = told.call.open_leg("caller", MULAW, paced=True, doubtful=True)
        told.call.end_soon()
        assert leg.finished and told.final.verdict.reason is Reason.OVERLOAD

    run(detector, scene, max_legs=0)


@pytest.mark.parametrize("sign", ["load", "age"])
def test_a_machine_that_is_full_takes_no_leg(
    detector: Detector, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    monkeypatch.setattr(engine, "MAX_LOAD" if sign == "load" else "MAX_AGE", 0.05)
    monkeypatch.setattr(engine, "SHORTEST_PAUSE", 0.1)

    async def scene(calls: Calls, clock: Clock) -> None:
        before = Told(calls)
        leg = before.call.open_leg("caller", MULAW)
        assert not leg.finished
        if sign == "load":
            monkeypatch.setattr(engine, "thread_time", lambda: 0.2 * clock.time())
            await asyncio.sleep(2 * engine.LOAD_SECONDS)
        else:
            leg.feed(RECORDED)
            await asyncio.sleep(0.08)
        after = Told(calls)
        assert after.call.open_leg("caller", MULAW).finished
        assert after.final.verdict.reason is Reason.OVERLOAD
        before.call.close()

    by_clock(detector, scene)


def test_a_leg_that_closes_without_audio_says_so(detector: Detector) -> None:
    async def scene(calls: Calls) -> None:
        for raw_format in (MULAW, RawFormat(Encoding.S16LE, 16_000)):
            told = Told(calls)
            told.call.open_leg("caller", raw_format)
            told.call.close()
            assert told.final.verdict.reason is Reason.NO_AUDIO
            assert told.final.verdict.verdict is VerdictKind.UNKNOWN and told.final.detail == ""

    run(detector, scene)


def test_closing_answers_every_leg_and_takes_no_other(detector: Detector) -> None:
    async def scene(calls: Calls) -> None:
        told = [Told(calls, str(n)) for n in range(5)]
        for call in told:
            call.call.open_leg("caller", MULAW).feed(RECORDED)
        calls.close()
        assert [call.final.verdict.verdict for call in told] == [VerdictKind.RECORDED] * 5
        late = Told(calls)
        assert late.call.open_leg("caller", MULAW).finished
        assert late.final.verdict.reason is Reason.OVERLOAD

    run(detector, scene)


def test_a_call_that_fails_ends_as_unknown(detector: Detector) -> None:
    async def scene(calls: Calls) -> None:
        told = Told(calls)
        legs = [told.call.open_leg(name, MULAW) for name in ("caller", "callee")]
        legs[0].feed(RECORDED)
        await heard(*legs)
        told.call.fail("nonsense in message 17")
        told.call.close()
        assert [(event.leg, event.detail) for event in told.finals] == [
            ("caller", "nonsense in message 17"),
            ("callee", "nonsense in message 17"),
        ]
        for event in told.finals:
            assert event.verdict.verdict is VerdictKind.UNKNOWN
            assert event.verdict.reason is Reason.ERROR
            assert event.verdict.decided_at is None

    run(detector, scene)


@pytest.mark.parametrize("place", ["engine", "decoding", "at the deadline", "close"])
def test_a_failure_inside_is_logged_and_answered(
    detector: Detector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: str,
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("in the network")

    async def scene(calls: Calls) -> None:
        told = Told(calls)
        leg, other = told.call.open_leg("caller", MULAW), Told(calls)
        assert leg.stream is not None
        match place:
            case "engine":
                monkeypatch.setattr(engine, "hear_together", broken)
                leg.feed(RECORDED)
                await heard(leg)
                monkeypatch.undo()
            case "decoding":
                monkeypatch.setattr(leg.stream, "decode", broken)
                leg.feed(RECORDED)
                await heard(leg)
            case "at the deadline":
                monkeypatch.setattr(leg.stream, "decode", broken)
                calls.engine.conclude(leg)
            case "close":
                monkeypatch.setattr(leg.stream, "flush", broken)
                told.call.close()
        # The others are heard on.
        after = other.call.open_leg("caller", MULAW)
        after.feed(RECORDED)
        await heard(after)
        other.call.close()
        assert other.final.verdict.reason is not Reason.ERROR
        assert told.final.verdict.reason is Reason.ERROR
        assert "log has its traceback" in told.final.detail

    with caplog.at_level(logging.ERROR):
        run(detector, scene)
    assert "ZeroDivisionError" in caplog.text


def test_a_listener_that_fails_takes_nothing_from_the_others(
    detector: Detector, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Event) -> None:
        raise KeyError("listener")

    listened: list[Event] = []

    async def scene(calls: Calls) -> None:
        told = Told(calls)
        told.call.open_leg("caller", MULAW).feed(RECORDED)
        told.call.close()
        assert told.final == listened[-1]

    run(detector, scene, listeners=[broken, listened.append])
    assert "KeyError" in caplog.text


def test_progress_comes_as_often_as_asked(detector: Detector) -> None:
    async def scene(calls: Calls) -> None:
        told = Told(calls)
        leg = told.call.open_leg("caller", MULAW)
        for packet in cut(LIVE, 640):
            leg.feed(packet)
            await heard(leg)
        seconds = [e.verdict.seconds for e in told.events if e.kind is EventKind.PROGRESS]
        assert seconds == pytest.approx([1.04, 2.0, 3.04, 4.0])
        told.call.close()

    run(detector, scene, progress_seconds=1.0)


def test_audio_of_unknown_legs_alone_is_kept(detector: Detector) -> None:
    kept: list[tuple[Event, RawFormat, bytes]] = []

    async def scene(calls: Calls) -> None:
        sure, unsure = Told(calls), Told(calls)
        sure.call.open_leg("caller", MULAW).feed(RECORDED)
        leg = unsure.call.open_leg("caller", MULAW)
        for packet in cut(LIVE[:1000], 333):
            leg.feed(packet)
        sure.call.close()
        unsure.call.close()
        assert kept == [(unsure.final, MULAW, LIVE[:1000])]
        assert leg.kept == b""

    run(detector, scene, keep=lambda *args: kept.append(args))


def test_an_event_as_a_dict_is_plain_data(detector: Detector) -> None:
    async def scene(calls: Calls) -> None:
        told = Told(calls)
        told.call.open_leg("caller", MULAW).feed(RECORDED)
        told.call.close()
        values = told.final.as_dict()
        assert values["event"] == "final" and values["verdict"] == "recorded"
        assert values["score"] == pytest.approx(told.final.verdict.score, abs=1e-6)
        assert len(values["evidence"]["scores"]) == len(told.final.verdict.evidence.scores) > 40
        empty = Told(calls)
        empty.call.open_leg("caller", MULAW)
        empty.call.close()
        assert empty.final.as_dict()["score"] is None

    run(detector, scene)


def test_facts_that_come_late_are_in_the_final(detector: Detector) -> None:
    async def scene(calls: Calls) -> None:
        told = Told(calls, "first")
        leg = told.call.open_leg("caller", MULAW)
        told.call.learn_of(CallInfo("second", "test", "+49"))
        assert calls.hears("second") and not calls.hears("first")
        for packet in cut(RECORDED):
            leg.feed(packet)
        await heard(leg)
        assert [event.call.id for event in told.events] == ["second"]
        # It was told: whoever follows the call knows it by this id.
        told.call.learn_of(CallInfo("third", "test", "+49", "110", {"campaign": "may"}))
        told.call.close()
        assert not calls.hears("second") and not calls.hears("third")
        final = told.final.call
        assert (final.id, final.caller, final.called) == ("second", "+49", "110")
        assert final.details == {"campaign": "may", "call": "third"}
        told.call.learn_of(CallInfo("fourth", "test"))
        assert not calls.hears("fourth") and not calls._by_id

    run(detector, scene)


def test_what_a_gateway_tells_is_cut_to_size(detector: Detector) -> None:
    async def scene(calls: Calls) -> None:
        long = "9" * 10_000
        info = CallInfo(long, "test", long, long, {f"{n}-{long}": long for n in range(200)})
        events: list[Event] = []
        call = calls.open(info, events.append)
        call.open_leg("caller", MULAW)
        call.close()
        told = events[0].call
        assert {len(text) for text in (told.id, told.caller, told.called)} == {255}
        assert len(told.details) == 50
        assert {len(text) for pair in told.details.items() for text in pair} == {255}

    run(detector, scene)


def test_legs_whose_time_is_up_together_are_heard_together(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SHORTEST_PAUSE", 30.0)
    runs: list[int] = []
    hear = hear_together

    def counted(streams: Sequence[StreamDetector], n_steps: int) -> list[Verdict | None]:
        runs.append(len(streams))
        return hear(streams, n_steps)

    monkeypatch.setattr(engine, "hear_together", counted)

    async def scene(calls: Calls, _: Clock) -> None:
        told = [Told(calls, str(n)) for n in range(20)]
        for call in told:
            call.call.open_leg("caller", MULAW).feed(RECORDED)
        await until(lambda: all(call.finals for call in told))
        assert all(call.final.verdict.verdict is VerdictKind.RECORDED for call in told)
        # The first voice is looked for in shorter runs.
        assert sum(runs) % 20 == 0 and len(runs) <= 2 * sum(runs) // 20

    by_clock(detector, scene, deadline_seconds=5)


def test_a_machine_that_is_behind_concludes_earlier_and_takes_no_leg(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(calls: Calls, _: Clock) -> None:
        async def waited() -> float:
            told = Told(calls)
            told.call.open_leg("caller", MULAW).feed(RECORDED)
            await until(lambda: told.finals)
            return told.final.waited_seconds

        assert await waited() == pytest.approx(0.9, abs=0.011)
        monkeypatch.setattr(LoopLag, "peak", property(lambda _: 0.05))
        assert await waited() == pytest.approx(0.8, abs=0.011)
        monkeypatch.setattr(LoopLag, "seconds", property(lambda _: 2 * engine.MAX_LAG))
        refused = Told(calls, "3")
        assert refused.call.open_leg("caller", MULAW).finished
        assert refused.final.verdict.reason is Reason.OVERLOAD

    by_clock(detector, scene, deadline_seconds=1.0)


def test_a_leg_is_heard_again_if_that_is_asked_for(detector: Detector) -> None:
    """A human at first, who hands over to a recording."""
    live, played = sounds.voice(4, 2), sounds.voice(14, 11, played=True)

    async def scene(calls: Calls) -> None:
        told = Told(calls)
        leg = told.call.open_leg("caller", MULAW)
        for packet in cut(sounds.mulaw(np.concatenate([live, played]))):
            leg.feed(packet)
            await heard(leg)
            await asyncio.sleep(0)
        await until(lambda: told.events[-1].kind is EventKind.REVISED)
        await asyncio.sleep(0.1)
        kinds = [(event.kind, event.verdict.verdict) for event in told.events]
        assert kinds == [
            (EventKind.VERDICT, VerdictKind.LIVE),
            (EventKind.FINAL, VerdictKind.LIVE),
            (EventKind.REVISED, VerdictKind.RECORDED),
        ]
        assert told.call.finished and calls.open_legs == 0
        told.call.close()

    run(detector, scene, listen_seconds=3, again_seconds=4)


def test_legs_that_were_hung_up_are_heard_together(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []

    def watched(streams: Sequence[StreamDetector], n_steps: int) -> list[Verdict | None]:
        runs.append(len(streams))
        return hear_together(streams, n_steps)

    monkeypatch.setattr(engine, "hear_together", watched)
    audio = sounds.mulaw(sounds.voice(3, 11, played=True))

    async def scene(calls: Calls) -> None:
        told = [Told(calls, str(n)) for n in range(8)]
        legs = [each.call.open_leg("caller", MULAW) for each in told]
        for each, leg in zip(told, legs, strict=True):
            leg.feed(audio)
            each.call.end_soon()
        assert calls.open_legs == 8 and not any(each.finals for each in told)
        assert all(calls.hears(each.call.info.id) for each in told)
        await heard(*legs)
        alone = detector.stream(encoding=MULAW.encoding, max_seconds=3)
        alone.feed(audio)
        score = alone.flush().score
        for each in told:
            assert each.final.verdict.score == pytest.approx(score, abs=1e-6)
            assert not calls.hears(each.call.info.id)
        assert calls.open_legs == 0
        assert set(runs) == {8}

        # Who has nothing to be heard is answered at once, and so is everybody at the server's end.
        for payload in (audio[:100], audio):
            last = Told(calls, "last")
            last.call.open_leg("caller", MULAW).feed(payload)
            last.call.end_soon()
            assert len(last.finals) == (len(payload) == 100)
            calls.close()
            assert len(last.finals) == 1
            calls.closing = False

    run(detector, scene, listen_seconds=3)


def test_who_hangs_up_is_answered_whatever_breaks(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a packet that came out of order can't be heard any more."""

    async def scene(calls: Calls) -> None:
        told = Told(calls)
        leg = told.call.open_leg("caller", MULAW)
        for number in (0, 2):
            leg.feed_numbered(number, bytes(160))
        assert leg.stream is not None
        monkeypatch.setattr(leg.stream, "receive", lambda _: 1 / 0)
        told.call.end_soon()
        assert told.final.verdict.reason is Reason.ERROR

    run(detector, scene)


def test_a_revised_verdict_does_not_wait_for_the_end_of_its_look(detector: Detector) -> None:
    live, played = sounds.voice(4, 2), sounds.voice(14, 11, played=True)

    async def scene(calls: Calls) -> None:
        told = Told(calls)
        leg = told.call.open_leg("caller", MULAW)
        leg.feed(sounds.mulaw(live))
        leg.close()
        assert leg.finished
        # The look that begins 4 s after the final event ends after 3 s more.
        for packet in cut(sounds.mulaw(played))[: round(6.5 / 0.02)]:
            leg.feed(packet)
            await heard(leg)
            await asyncio.sleep(0)
        await until(lambda: told.events[-1].kind is EventKind.REVISED)
        told.call.close()

    run(detector, scene, listen_seconds=3, again_seconds=4)


@pytest.mark.parametrize("pause", [0.002, 30.0], ids=["idle", "behind"])
def test_the_deadline_counts_from_the_first_voice(
    detector: Detector, monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    """However late the machine is in hearing it."""
    monkeypatch.setattr(engine, "SHORTEST_PAUSE", pause)
    silence, voice = (
        sounds.mulaw(sounds.silence(0.02)),
        cut(sounds.mulaw(sounds.voice(4, 11, played=True))),
    )

    async def scene(calls: Calls, _: Clock) -> None:
        told = Told(calls)
        leg = told.call.open_leg("caller", MULAW)
        for packet in [silence] * 75 + voice:
            await asyncio.sleep(0.02)
            if told.finals:
                break
            leg.feed(packet)
        verdict = told.final.verdict
        assert verdict.speech_seconds > 0.3
        assert verdict.evidence.times[0] == pytest.approx(1.5 - 0.2 + 0.08, abs=0.1)
        assert told.final.waited_seconds == pytest.approx(1.5 - 0.2 + 0.9, abs=0.03)

    by_clock(detector, scene, deadline_seconds=1.0, wait_seconds=20)


def test_a_leg_without_voice_is_answered_after_the_wait(detector: Detector) -> None:
    silence = sounds.mulaw(sounds.silence(0.02))

    async def scene(calls: Calls, _: Clock) -> None:
        silent, nothing = Told(calls, "1"), Told(calls, "2")
        leg = silent.call.open_leg("caller", MULAW)
        nothing.call.open_leg("caller", MULAW)
        while not (silent.finals and nothing.finals):
            leg.feed(silence)
            await asyncio.sleep(0.02)
        assert silent.final.verdict.reason is Reason.SILENCE
        assert nothing.final.verdict.reason is Reason.NO_AUDIO
        for told in (silent, nothing):
            assert told.final.waited_seconds == pytest.approx(0.78, abs=0.02)

    by_clock(detector, scene, deadline_seconds=0.2, wait_seconds=0.8)


def test_a_final_that_is_due_is_given_whatever_is_unheard(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SHORTEST_PAUSE", 30.0)

    def too_slow(*_: object) -> None:
        raise AssertionError("there is no time to hear it")

    async def scene(calls: Calls, clock: Clock) -> None:
        told = [Told(calls, str(n)) for n in range(40)]
        for call in told:
            call.call.open_leg("caller", MULAW).feed(RECORDED)
        monkeypatch.setattr(engine, "hear_together", too_slow)
        clock.hold_up(0.6)
        await until(lambda: all(call.finals for call in told))
        assert {call.final.verdict.reason for call in told} == {Reason.OVERLOAD}

    by_clock(detector, scene, deadline_seconds=0.5)


def test_finals_that_are_due_wait_for_nothing_else(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CONCLUDE_SECONDS", 0.0)

    async def scene(calls: Calls, clock: Clock) -> None:
        told = [Told(calls, str(n)) for n in range(100)]
        for call in told:
            call.call.open_leg("caller", MULAW).feed(LIVE[:900])
        calls.listeners = (lambda _: clock.hold_up(0.001),)
        loop = asyncio.get_running_loop()

        def busy() -> None:
            clock.hold_up(0.1)
            if not all(call.finals for call in told):
                loop.call_soon(busy)

        busy()
        await until(lambda: all(call.finals for call in told))
        # Within one turn of the loop. Sixteen a turn would take until 2.7 s.
        assert max(call.final.waited_seconds for call in told) < 2.15

    by_clock(detector, scene, deadline_seconds=2.0)


def test_a_starved_thread_is_not_idle(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(calls: Calls, clock: Clock) -> None:
        monkeypatch.setattr(engine, "waited_for_a_core", lambda: 1.5 * clock.time())
        for _ in range(8):
            await asyncio.sleep(engine.LOAD_SECONDS)
            calls.engine.load()
        assert calls.engine.full
        assert Told(calls).call.open_leg("caller", MULAW).finished

    by_clock(detector, scene)


def test_no_leg_is_forgotten_whenever_it_queues(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SLICE_SECONDS", 1e-5)
    monkeypatch.setattr(engine, "SHORTEST_PAUSE", 0.0)

    async def scene(calls: Calls) -> None:
        legs = [Told(calls, str(n)).call.open_leg("caller", MULAW) for n in range(200)]
        for at in range(0, 8000, 640):
            for n, leg in enumerate(legs):
                leg.feed(LIVE[at : at + 640])
                if n % 50 == at % 7:
                    await asyncio.sleep(0)
        await heard(*legs)
        assert calls.queue_age() == 0
        for leg in legs:
            assert leg.stream is not None and leg.stream.decode() == 0
        calls.close()

    run(detector, scene, max_legs=1000)
