"""Stand-ins for the calls and the socket around a dialect: they write down what reaches them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from audio_model.decision import Evidence, Reason, Verdict, VerdictKind
from audio_model.formats import RawFormat
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.tally import Tally
from audio_model.gateway.terms import Terms


def verdict(kind: VerdictKind = VerdictKind.RECORDED, score: float = 0.97) -> Verdict:
    unknown = kind is VerdictKind.UNKNOWN
    return Verdict(
        verdict=kind,
        score=score,
        logit=2.5,
        seconds=1.6,
        speech_seconds=1.2,
        decided_at=None if unknown else 1.52,
        reason=Reason.UNSURE if unknown else Reason.NONE,
        evidence=Evidence(times=(0.08,), scores=(score,), voice=(1.0,), strongest=None),
        noise_db=-60.0,
        snr_db=35.0,
        codec="mulaw",
    )


@dataclass
class FakeLeg:
    name: str
    raw_format: RawFormat
    paced: bool = False
    doubtful: bool = False
    payloads: list[bytes] = field(default_factory=list)
    numbered: list[tuple[int, bytes]] = field(default_factory=list)
    finished: bool = False
    codec: str = ""

    def came_in(self, codec: str) -> None:
        self.codec = codec

    @property
    def hears(self) -> bool:
        return not self.finished

    def feed(self, payload: bytes) -> None:
        self.payloads.append(payload)

    def feed_numbered(self, number: int, payload: bytes) -> None:
        self.numbered.append((number, payload))


@dataclass
class FakeCall:
    info: CallInfo
    on_event: Callable[[Event], None]
    legs: list[FakeLeg] = field(default_factory=list)
    closed: int = 0
    failures: list[str] = field(default_factory=list)

    def open_leg(
        self, name: str, raw_format: RawFormat, *, paced: bool = False, doubtful: bool = False
    ) -> FakeLeg:
        leg = FakeLeg(name, raw_format, paced, doubtful)
        self.legs.append(leg)
        return leg

    @property
    def finished(self) -> bool:
        return bool(self.legs) and all(leg.finished for leg in self.legs)

    def learn_of(self, info: CallInfo) -> None:
        self.info = info

    def close(self) -> None:
        self.closed += 1
        self._finish()

    end_soon = close

    def fail(self, detail: str) -> None:
        self.failures.append(detail)
        self._finish()

    def tell(self, kind: EventKind = EventKind.FINAL, of: Verdict | None = None) -> Event:
        """Send an event to the dialect, of the first leg."""
        event = Event(kind, self.info, self.legs[0].name, of or verdict())
        if kind is EventKind.FINAL:
            self.legs[0].finished = True
        self.on_event(event)
        return event

    def _finish(self) -> None:
        for leg in self.legs:
            leg.finished = True


class FakePacer:
    """Stands for the load of a machine with time to spare."""

    def pace(self, transport: object, receive: object) -> "FakePacer":
        return self

    def has_read(self, *, over: bool = False) -> None:
        pass


@dataclass
class FakeCalls:
    opened: list[FakeCall] = field(default_factory=list)
    pacer: FakePacer = field(default_factory=FakePacer)
    tally: Tally = field(default_factory=Tally)
    told: Callable[[str], Awaitable[None]] | None = None

    def agreed(self, tenant: object, query: object) -> None:
        """What a call agrees on does not matter here."""

    def open(
        self, info: CallInfo, on_event: Callable[[Event], None], terms: Terms | None = None
    ) -> FakeCall:
        call = FakeCall(info, on_event)
        self.opened.append(call)
        return call


@dataclass
class FakeConnection:
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    terms: Terms | None = None
    sent: list[str | bytes] = field(default_factory=list)
    closed_with: tuple[int, str] | None = None

    def send_text(self, message: str) -> None:
        self.sent.append(message)

    def send_bytes(self, message: bytes) -> None:
        self.sent.append(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed_with = (code, reason)
