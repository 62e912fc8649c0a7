"""A real Asterisk with the example's dialplan: what it sends, what it is told, what it survives."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import uvloop
from numpy.typing import NDArray

from audio_model import audio
from audio_model.companding import alaw_decode, alaw_encode, mulaw_decode, mulaw_encode
from audio_model.decision import Reason, VerdictKind
from audio_model.detector import Detector
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.asterisk.action import Action, HangUp
from audio_model.gateway.calls import Call
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.terms import Terms
from tests.gateway.peers import asterisk
from tests.gateway.peers.asterisk import ROOT, Asterisk
from tests.gateway.serving import serving

pytestmark = asterisk.NEEDS_ASTERISK

Pcm = NDArray[np.int16]

SAMPLES = ROOT / "samples"
USER, SECRET = "audio-model", "change-me"
"""Those of the example."""

CODECS: dict[str, tuple[Callable[[Pcm], NDArray[np.generic]], Callable[..., Pcm]]] = {
    "slin": (lambda pcm: pcm, lambda pcm: pcm),
    "ulaw": (mulaw_encode, mulaw_decode),
    "alaw": (alaw_encode, alaw_decode),
}
ENDINGS = {"slin": ".sln", "ulaw": ".ulaw", "alaw": ".alaw"}


FRAME = 160
"""Samples of 20 ms."""

MAX_SLIPS = 3

N_SNOOPED = 20


@pytest.fixture(scope="module")
def shipped() -> Detector:
    return Detector.load()


BUSY_SECONDS = 25
"""How much longer anything may take on a machine that is busy."""


@dataclass(frozen=True)
class Recording:
    path: Path
    pcm: Pcm
    """What whoever decodes it hears."""


def recording(pbx: Asterisk, name: str, codec: str = "slin") -> Recording:
    """A sample, as a file that Asterisk plays over a channel of this codec without a change."""
    encode, decode = CODECS[codec]
    samples = audio.read(SAMPLES / name, max_seconds=6)
    pcm = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
    codes = encode(pcm)
    path = pbx.home / f"{Path(name).stem}-{codec}{ENDINGS[codec]}"
    path.write_bytes(codes.tobytes())
    return Recording(path, decode(codes))


@dataclass
class Heard:
    """What a server in this process was sent, and what it said."""

    events: list[Event] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self, original: Callable[..., Call]) -> Callable[..., Call]:
        def opened(
            info: CallInfo, on_event: Callable[[Event], None], terms: Terms | None = None
        ) -> Call:
            self.calls.append(original(info, on_event, terms))
            return self.calls[-1]

        return opened

    def add(self, event: Event) -> None:
        self.events.append(event)
        if event.kind is EventKind.FINAL:
            (leg,) = self.calls[-1]._legs
            self.audio, self.raw_format = leg.kept, leg.raw_format
            self.answered.set()

    async def final(self, within: float = 12 + BUSY_SECONDS) -> Event:
        async with asyncio.timeout(within):
            await self.answered.wait()
        return self.events[-1]

    def finals(self) -> list[Event]:
        return [event for event in self.events if event.kind is EventKind.FINAL]

    def pcm(self) -> Pcm:
        codes = np.frombuffer(self.audio, np.uint8)
        match self.raw_format.encoding:
            case Encoding.MULAW:
                return mulaw_decode(codes)
            case Encoding.ALAW:
                return alaw_decode(codes)
            case Encoding.S16LE:
                return np.frombuffer(self.audio, np.int16)


@asynccontextmanager
async def listening(
    pbx: Asterisk,
    *,
    hang_up: HangUp = HangUp.NEVER,
    action: Action = Action.VARIABLE,
    through: str = "ami",
    deadline_seconds: float = 9,
    others: Sequence[str] = (),
) -> AsyncIterator[Heard]:
    """A server in this process at the addresses that the example names, with AMI or ARI."""
    secret = pbx.home / "secret"
    secret.write_text(SECRET)
    port = {"ami": pbx.ami_port, "ari": pbx.http_port}[through]
    flags = {
        "--port": pbx.serve_port,
        "--deadline-seconds": deadline_seconds,
        "--audiosocket": f"127.0.0.1:{pbx.audiosocket_port}",
        "--audiosocket-hangup": hang_up,
        f"--{through}-address": f"127.0.0.1:{port}",
        f"--{through}-user": USER,
        f"--{through}-secret-file": secret,
        f"--{through}-action": action,
    }
    heard = Heard()
    words = [str(word) for pair in flags.items() for word in pair]
    async with serving(*words, *others) as running:
        calls = running.server.calls
        calls.open = heard.open(calls.open)  # type: ignore[method-assign]
        calls.keep = lambda event, raw_format, audio: None
        calls.listeners += (heard.add,)
        await asyncio.sleep(0.3)
        yield heard


async def until(condition: Callable[[], bool], within: float) -> float:
    """Wait for a condition; the seconds that it took.

    On a machine that is busy it need not come true in time, but all the same.
    """
    started = time.monotonic()
    while not await asyncio.to_thread(condition):
        took = time.monotonic() - started
        if took > within:
            busy = await asyncio.to_thread(asterisk.is_busy)
            assert busy and took < within + BUSY_SECONDS, f"it did not come true in {took:.1f} s"
        await asyncio.sleep(0.03)
    return time.monotonic() - started


def offset_in(whole: Pcm, part: Pcm) -> int:
    """Where ``part`` begins in ``whole``, by the loudest 50 ms of its first second."""
    window = 400
    energy = np.convolve(part[:8000].astype(np.float64) ** 2, np.ones(window), "valid")
    at = int(energy.argmax())
    pattern = part[at : at + window]
    for start in range(len(whole) - window + 1):
        if whole[start] == pattern[0] and np.array_equal(whole[start : start + window], pattern):
            return start - at
    raise AssertionError("the audio that arrived is not that which was sent")


def assert_same_audio(
    arrived: Pcm, sent: Pcm, late_seconds: float = 0.25, least: int = 8000
) -> None:
    """All that arrived is what was sent, from near its beginning on, and ``least`` samples did."""
    # What comes before the caller begins to play is silence.
    sounding = np.flatnonzero(arrived)
    offset = offset_in(sent, arrived[sounding[0] :]) - int(sounding[0])
    begin = max(0, -offset)
    assert offset < late_seconds * 8000 or asterisk.is_busy()
    n = min(len(arrived) - begin, len(sent) - offset - begin)
    assert n > least
    np.testing.assert_array_equal(
        arrived[begin : begin + n], sent[offset + begin : offset + begin + n]
    )


def without_slips(pcm: Pcm, sent: Pcm) -> Pcm:
    """A snoop channel has its own clock, and puts in silence where nothing has come yet."""
    offset = offset_in(sent, pcm)
    for _ in range(MAX_SLIPS):
        n = min(len(pcm), len(sent) - offset)
        differs = np.flatnonzero(pcm[max(0, -offset) : n] != sent[max(0, offset) : offset + n])
        if not len(differs):
            break
        frame = int(differs[0]) // FRAME * FRAME
        # Silence that was put in where silence was sent shows later. A-law has no zero: it is 8,
        # and what is nearly silent is 8 and -8 in turn.
        while np.ptp(pcm[frame : frame + FRAME]) > 0:
            frame -= FRAME
            assert frame >= 0, "the audio that arrived is not that which was sent"
        pcm = np.delete(pcm, np.s_[frame : frame + FRAME])
    return pcm


def assert_scored_as_offline(event: Event, heard: Heard, shipped: Detector) -> None:
    expected = shipped.score_samples(heard.pcm().astype(np.float32) / np.float32(32768), 8000)
    assert event.verdict.score == pytest.approx(expected.score, abs=1e-3)
    assert event.verdict.verdict is expected.verdict


def run(test: Awaitable[None]) -> None:
    async def within() -> None:
        async with asyncio.timeout(60 + 3 * BUSY_SECONDS):
            await test

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(within())


async def has_agent(pbx: Asterisk, within: float) -> float:
    """Wait until the call is with the agent."""
    return await until(lambda: "Executing [agent@tests:1]" in pbx.said(), within)


async def has_ended(pbx: Asterisk, within: float) -> float:
    return await until(lambda: not pbx.channels(), within)


async def snooped(pbx: Asterisk, played: Recording, codec: str = "slin") -> None:
    """Place a call that is heard through a snoop channel; wait until it is with the agent."""
    pbx.call(played.path, "snoop@audio-model", codec)
    await has_agent(pbx, 2)
    assert "Executing [T@audio-model:1]" not in pbx.said(), "Stasis() held it"


def assert_agent_heard(pbx: Asterisk, played: Recording) -> None:
    """Every sample from the moment at which the agent was there."""
    heard = np.fromfile(pbx.agent_hears, np.int16)
    assert_same_audio(heard, played.pcm, late_seconds=0.6)


@pytest.mark.parametrize(
    ("to", "codec", "raw_format"),
    [
        ("application@tests", "slin", RawFormat(Encoding.S16LE)),
        ("application@tests", "ulaw", RawFormat(Encoding.S16LE)),
        ("application@tests", "alaw", RawFormat(Encoding.S16LE)),
        ("audiosocket@audio-model", "ulaw", RawFormat(Encoding.S16LE)),
        ("trap@tests", "ulaw", RawFormat(Encoding.MULAW)),
        ("trap@tests", "alaw", RawFormat(Encoding.ALAW)),
        ("websocket-whole@tests", "ulaw", RawFormat(Encoding.S16LE)),
    ],
)
def test_what_arrives_is_what_was_sent_and_scored_so(
    to: str, codec: str, raw_format: RawFormat, pbx: Asterisk, shipped: Detector
) -> None:
    # Nothing is decided of it, so that no verdict ends the call.
    played = recording(pbx, "live-testing.ulaw", codec)

    async def test() -> None:
        async with listening(pbx) as heard:
            pbx.call(played.path, to, codec)
            final = await heard.final()
            assert heard.raw_format == raw_format
            assert final.verdict.seconds == pytest.approx(6, abs=0.1)
            assert_same_audio(heard.pcm(), played.pcm)
            assert_scored_as_offline(final, heard, shipped)

    run(test())


@pytest.mark.parametrize("codec", CODECS)
def test_a_snooped_call_is_heard_by_both_the_server_and_the_agent(
    codec: str, pbx: Asterisk, shipped: Detector
) -> None:
    played = recording(pbx, "recorded-prompt-en.wav", codec)

    async def test() -> None:
        async with listening(pbx, through="ari") as heard:
            await snooped(pbx, played, codec)
            final = await heard.final()
            # The verdict comes early, and ends the snooping.
            pcm = without_slips(heard.pcm(), played.pcm)
            # Asterisk makes the snoop's channels while the caller speaks.
            assert_same_audio(pcm, played.pcm, late_seconds=1, least=4000)
            assert_scored_as_offline(final, heard, shipped)
            assert final.verdict.verdict is VerdictKind.RECORDED
            assert (final.call.caller, final.call.called) == ("+49301234567", "snoop")
            channel = final.call.details["channel"]
            status = f"SHARED(AMDSTATUS,{channel})"
            await until(lambda: "MACHINE" in pbx.cli(f"dialplan eval function {status}"), 1)
            await until(lambda: not any("Snoop" in name for name in pbx.channels()), 1)
            assert any("agent@tests" in name for name in pbx.channels()), "the call goes on"
            await asyncio.to_thread(pbx.hang_up_all)
            assert_agent_heard(pbx, played)

    run(test())


def test_of_many_snooped_calls_all_are_heard_and_none_is_held(pbx: Asterisk) -> None:
    """A channel that is read from while its lock is held holds up all others."""
    played = recording(pbx, "recorded-prompt-en.wav")

    async def test() -> None:
        async with listening(pbx, through="ari") as heard:
            for _ in range(N_SNOOPED):
                pbx.call(played.path, "snoop@audio-model")
                await asyncio.sleep(0.1)
            await until(lambda: pbx.said().count("Executing [agent@tests:1]") == N_SNOOPED, 5)
            assert "Executing [T@audio-model:1]" not in pbx.said()
            await until(lambda: len(heard.finals()) == N_SNOOPED, 9)
            assert {final.verdict.verdict for final in heard.finals()} == {VerdictKind.RECORDED}

    run(test())


@pytest.mark.parametrize("to", ["audiosocket", "websocket"])
def test_the_dialplan_turns_a_recording_away_within_a_second_of_the_verdict(
    to: str, pbx: Asterisk
) -> None:
    played = recording(pbx, "recorded-prompt-en.wav")

    async def test() -> None:
        async with listening(pbx, hang_up=HangUp.ALWAYS) as heard:
            pbx.call(played.path, f"{to}@audio-model")
            final = await heard.final()
            assert final.verdict.verdict is VerdictKind.RECORDED
            assert final.waited_seconds < 4.5 or asterisk.is_busy()
            await has_ended(pbx, 1)
            status, cause, said, score = pbx.told()
            assert (status, said) == ("MACHINE", "recorded")
            assert cause.startswith("RECORDED-")
            # S(4) may end the WebSocket's call before the final verdict is told.
            scores = [event.verdict.score for event in heard.events]
            assert any(float(score) == pytest.approx(each, abs=1e-3) for each in scores)

    run(test())


def test_the_dialplan_passes_on_whoever_is_no_recording(pbx: Asterisk) -> None:
    played = recording(pbx, "live-story.amr")

    async def test() -> None:
        async with listening(pbx, hang_up=HangUp.ALWAYS, deadline_seconds=4) as heard:
            pbx.call(played.path, "audiosocket@audio-model")
            final = await heard.final()
            assert final.verdict.verdict is not VerdictKind.RECORDED
            assert final.waited_seconds < 4.2 or asterisk.is_busy()
            await has_agent(pbx, 1)
            assert pbx.told()[0] in ("HUMAN", "NOTSURE")

    run(test())


@pytest.mark.slow
@pytest.mark.parametrize(
    "to, others, verdict",
    [
        ("audiosocket", ["--wait-seconds", "2"], VerdictKind.UNKNOWN),
        ("audiosocket", [], VerdictKind.RECORDED),
        ("websocket", [], VerdictKind.RECORDED),
        ("snoop", [], VerdictKind.RECORDED),
    ],
)
def test_the_wait_decides_whether_a_prompt_behind_silence_is_found(
    to: str, others: list[str], verdict: VerdictKind, pbx: Asterisk
) -> None:
    prompt = recording(pbx, "recorded-prompt-en.wav")
    late = pbx.home / "late.sln"
    late.write_bytes(bytes(8 * 16_000) + prompt.path.read_bytes())

    async def test() -> None:
        through, action = ("ari", Action.HANGUP) if to == "snoop" else ("ami", Action.VARIABLE)
        async with listening(
            pbx,
            hang_up=HangUp.NEVER if to == "snoop" else HangUp.ALWAYS,
            action=action,
            through=through,
            deadline_seconds=4,
            others=others,
        ) as heard:
            if to == "snoop":
                await snooped(pbx, Recording(late, prompt.pcm))
            else:
                pbx.call(late, f"{to}@audio-model")
            final = await heard.final(15 + BUSY_SECONDS)
            assert final.verdict.verdict is verdict
            if verdict is VerdictKind.RECORDED:
                await has_ended(pbx, 1)
            else:
                assert final.verdict.reason is Reason.SILENCE
                await has_agent(pbx, 1)

    run(test())


def test_a_hangup_of_the_server_alone_ends_a_recording(pbx: Asterisk) -> None:
    played = recording(pbx, "recorded-prompt-en.wav", "ulaw")

    async def test() -> None:
        async with listening(pbx, hang_up=HangUp.RECORDED) as heard:
            pbx.call(played.path, "trap@tests", "ulaw")
            await heard.final()
            await has_ended(pbx, 1)

    run(test())


def test_ari_hangs_up_a_recording_in_the_middle_of_its_call(pbx: Asterisk) -> None:
    played = recording(pbx, "recorded-prompt-en.wav")

    async def test() -> None:
        async with listening(pbx, through="ari", action=Action.HANGUP) as heard:
            await snooped(pbx, played)
            final = await heard.final()
            assert final.verdict.verdict is VerdictKind.RECORDED
            await has_ended(pbx, 1)
            await asyncio.to_thread(assert_agent_heard, pbx, played)

    run(test())


@pytest.mark.parametrize("to", ["audiosocket", "websocket", "snoop"])
def test_a_recording_is_transferred_to_an_extension(to: str, pbx: Asterisk) -> None:
    played = recording(pbx, "recorded-prompt-en.wav")
    others = ["--ami-transfer-to", "recorded@tests"]
    if to == "snoop":
        others += ["--ari-address", f"127.0.0.1:{pbx.http_port}", "--ari-user", USER]
        others += ["--ari-secret-file", str(pbx.home / "secret")]

    async def test() -> None:
        async with listening(
            pbx, hang_up=HangUp.ALWAYS, action=Action.TRANSFER, others=others
        ) as heard:
            if to == "snoop":
                await snooped(pbx, played)
            else:
                pbx.call(played.path, f"{to}@audio-model")
            await heard.final()
            await until(lambda: "Executing [recorded@tests:2]" in pbx.said(), 2)
            await asyncio.sleep(0.5)
            assert pbx.told()[0] == "MACHINE"
            # The final event does not begin it again, and the caller is still there.
            assert pbx.said().count("Executing [recorded@tests:1]") == 1
            assert any(f"{to}@audio-model" in name for name in pbx.channels())

    run(test())


def test_eagi_in_the_place_of_amd(pbx: Asterisk, shipped: Detector) -> None:
    played = recording(pbx, "recorded-prompt-en.wav", "alaw")

    async def test() -> None:
        pbx.call(played.path, "eagi@audio-model", "alaw")
        await until(lambda: bool(pbx.eagi_heard.exists() and pbx.told()), 4.5)
        await has_ended(pbx, 2)

    run(test())
    status, cause, said, score = pbx.told()
    assert (status, said) == ("MACHINE", "recorded")
    _, _, milliseconds = cause.split("-")
    heard = np.fromfile(pbx.eagi_heard, np.int16)
    assert_same_audio(heard, played.pcm)
    scored = heard[: int(milliseconds) * 8].astype(np.float32) / np.float32(32768)
    assert float(score) == pytest.approx(shipped.score_samples(scored, 8000).score, abs=1e-3)


def test_eagi_of_a_caller_who_hangs_up(pbx: Asterisk) -> None:
    played = recording(pbx, "live-story.amr")

    async def test() -> None:
        pbx.cli("agi set debug on")
        pbx.call(played.path, "eagi@audio-model")
        await until(lambda: pbx.eagi_heard.exists() and pbx.eagi_heard.stat().st_size > 8000, 3)
        # Before it listens to signals, one would end it without a word.
        await until(pbx.eagi_hears_signals, 3)
        (caller,) = [name for name in pbx.channels() if name.endswith(";1")]
        pbx.cli(f"channel request hangup {caller}")
        await until(lambda: 'SET VARIABLE AMDSTATUS "HANGUP"' in pbx.said(), 1)
        await has_ended(pbx, 1)

    run(test())


@pytest.mark.parametrize("to", ["audiosocket", "websocket", "snoop"])
def test_without_a_server_a_call_goes_on_at_once(to: str, pbx: Asterisk) -> None:
    played = recording(pbx, "recorded-prompt-en.wav")

    async def test() -> None:
        pbx.call(played.path, f"{to}@audio-model")
        await has_agent(pbx, 4)

    run(test())


def test_the_line_to_try_it_with_plays(pbx: Asterisk, tmp_path: Path) -> None:
    """The first line of extensions.conf, with the sound where Debian has it."""
    first = (asterisk.EXAMPLES / "extensions.conf").read_text()
    assert "eagi@audio-model application Playback demo-congrats'" in first
    (sound,) = asterisk.FOLDER.glob("usr/share/asterisk/sounds/*/demo-congrats.gsm")
    # The command line of Asterisk takes no path with a space, as that of a checkout may be.
    sound = Path(shutil.copy(sound, tmp_path))

    async def test() -> None:
        pbx.cli(f"channel originate Local/agent@tests application Playback {sound.with_suffix('')}")
        await has_agent(pbx, 2)
        await asyncio.sleep(1)
        assert "Playing" in pbx.said() and "failed" not in pbx.said()
        assert pbx.channels(), "it plays still"

    run(test())
