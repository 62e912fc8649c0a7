"""Whatever comes in whatever order, each event is posted, merged or told to be lost: once."""

from hypothesis import given
from hypothesis import strategies as st

from audio_model.decision import VerdictKind
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.outlets.waiting import Waiting, WaitingRoom
from tests.gateway.fakes import verdict

_KINDS = st.sampled_from([EventKind.VERDICT, EventKind.FINAL])
_STEPS = st.lists(
    st.tuples(st.just("add"), _KINDS, st.integers(0, 3), st.sampled_from(VerdictKind))
    | st.just(("put",))
    | st.just(("next",))
    | st.tuples(st.just("again"), st.floats(0, 2)),
    max_size=60,
)


def event(kind: EventKind, call: str, of: VerdictKind) -> Event:
    return Event(kind, CallInfo(call, "twilio"), "caller", verdict(of))


@given(_STEPS, st.integers(1, 6))
def test_nothing_is_lost_without_a_word(steps: list[tuple[object, ...]], max_waiting: int) -> None:
    room = WaitingRoom(max_waiting)
    out: list[Waiting] = []
    n_in = n_lost = n_merged = n_posted = 0
    for now, (name, *values) in enumerate(steps):
        lost = None
        before = len(room)
        match name:
            case "add":
                kind, call, of = values
                lost = room.add(event(kind, str(call), of), str(now), b"")  # type: ignore[arg-type]
                n_in += 1
                n_merged += lost is None and len(room) == before
            case "put":
                lost = room.put(Waiting(str(now), b"", urgent=True))
                n_in += 1
            case "next":
                if (waiting := room.next(now)) is not None:
                    out.append(waiting)
            case "again" if out:
                lost = room.again(out.pop(), now + values[0])  # type: ignore[operator]
        n_lost += lost is not None
        assert len(room) <= max_waiting
        assert n_in == len(room) + len(out) + n_lost + n_merged + n_posted
    while (waiting := room.next(1e9)) is not None:
        out.append(waiting)
    assert len(room) == 0 and n_in == len(out) + n_lost + n_merged
    assert len({waiting.key for waiting in out}) == len(out)


def test_those_that_failed_go_first_once_their_time_has_come() -> None:
    room = WaitingRoom(10)
    failed = Waiting("failed", b"", urgent=True)
    room.again(failed, 5.0)
    room.put(Waiting("new", b"", urgent=True))
    assert room.due_at() == 5.0
    assert [room.next(4.0).key, room.next(4.0)] == ["new", None]  # type: ignore[union-attr]
    room.put(Waiting("newer", b"", urgent=True))
    assert [room.next(5.0).key, room.next(5.0).key] == ["failed", "newer"]  # type: ignore[union-attr]


def test_of_retries_the_one_that_nobody_acts_on_is_lost_first() -> None:
    room = WaitingRoom(2)
    room.again(Waiting("verdict", b"", urgent=True), 5.0)
    room.again(Waiting("final", b"", urgent=False), 4.0)
    lost = room.put(Waiting("new", b"", urgent=True))
    assert lost is not None and lost.key == "final"
    assert room.due_at() == 5.0 or room.next(4.5) is not None
    assert room.oldest(1e9) > 0
