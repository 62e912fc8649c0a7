import asyncio

from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.outlets.feed import (
    MAX_RUNS,
    MAX_UNREAD,
    Feed,
    FeedEvent,
    Filter,
    Position,
    Reader,
)
from tests.gateway.fakes import verdict


def event(kind: EventKind = EventKind.FINAL, gateway: str = "twilio") -> Event:
    return Event(kind, CallInfo("a", gateway), "caller", verdict())


def never() -> None:
    raise AssertionError("dropped")


async def ids(reader: Reader) -> list[int]:
    """The numbers of the events that a reader is told."""
    messages = (await reader.read(0.01)).decode().split("\n\n")
    lines = [message.split("\n")[0] for message in messages if "event: " in message]
    return [int(line.rpartition("-")[2]) for line in lines]


def test_an_event_is_a_message_with_id_kind_and_data() -> None:
    async def test() -> None:
        feed = Feed()
        reader = feed.open(Filter(), None, never)
        run = (await reader.read(1)).removeprefix(b"id: ").removesuffix(b"-0\n\n")
        feed.add(event(), b'{"a":1}')
        lines = (await reader.read(1)).split(b"\n")
        assert len(run) == 8
        assert lines[0] == b"id: " + run + b"-1"
        assert lines[1:] == [b"event: final", b'data: {"a":1}', b"", b""]
        assert await reader.read(0.01) == b""

    asyncio.run(test())


def test_readers_get_what_they_want_from_when_they_came() -> None:
    async def test() -> None:
        feed = Feed()
        feed.add(event(), b"")
        everything = feed.open(Filter(), None, never)
        finals = feed.open(Filter(kind="final"), None, never)
        telnyx = feed.open(Filter(gateway="telnyx"), None, never)
        feed.add(event(EventKind.VERDICT), b"")
        feed.add(event(gateway="telnyx"), b"")
        assert await ids(everything) == [2, 3]
        assert await ids(finals) == [3]
        assert await ids(telnyx) == [3]
        feed.close(telnyx)
        feed.add(event(gateway="telnyx"), b"")
        assert await ids(telnyx) == []

    asyncio.run(test())


def test_what_was_missed_comes_first_as_far_as_it_is_known() -> None:
    async def test() -> None:
        feed = Feed(max_recent=3)
        first = feed.open(Filter(), None, never)
        for _ in range(5):
            feed.add(event(), b"")
        last = (await first.read(1)).split(b"\n")[0].decode().removeprefix("id: ")
        run = last.rpartition("-")[0]
        for last_id, missed in [
            (f"{run}-4", [5]),
            (f"{run}-5", []),
            (f"{run}-1", [3, 4, 5]),
            (f"{run}-{'9' * 5000}", []),
            ("another-4", [3, 4, 5]),
            ("", [3, 4, 5]),
            (f"{run}-x", [3, 4, 5]),
        ]:
            assert await ids(feed.open(Filter(), last_id, never)) == missed
        assert await ids(feed.open(Filter(kind="progress"), f"{run}-1", never)) == []

    asyncio.run(test())


def test_a_slow_reader_is_dropped_and_the_others_are_not() -> None:
    async def test() -> None:
        feed, dropped = Feed(), []
        slow = feed.open(Filter(), None, lambda: dropped.append("slow"))
        quick = feed.open(Filter(), None, never)
        for _ in range(MAX_UNREAD + 10):
            feed.add(event(), b"")
            await quick.read(0.01)
        assert dropped == ["slow"]
        assert slow.ended
        assert await slow.read(1) == b""

    asyncio.run(test())


def test_the_end_comes_after_what_is_unread() -> None:
    async def test() -> None:
        feed = Feed()
        reader = feed.open(Filter(), None, never)
        feed.add(event(), b"")
        feed.end()
        assert reader.ended
        assert await ids(reader) == [1]
        feed = Feed()
        waiting = feed.open(Filter(), "", never)
        task = asyncio.create_task(waiting.read(60))
        await asyncio.sleep(0)
        feed.end()
        assert await asyncio.wait_for(task, 30) == b""

    asyncio.run(test())


def test_a_reader_of_several_processes_comes_back_to_any_of_them() -> None:
    """Its id says how far it has come with each."""

    async def test() -> None:
        here, there = Feed(), Feed()
        first, other = here.open(Filter(), None, never), there.open(Filter(), None, never)
        here.add(event(), b"1")
        there.add(event(), b"1")
        there.add(event(), b"2")
        # What the other process tells is put into the reader's stream as it comes.
        await first.read(1)
        for message in (await other.read(1)).split(b"\n\n")[1:-1]:
            id_line = message.split(b"\n")[0].decode().removeprefix("id: ")
            run, _, number = id_line.rpartition("-")
            first.put(FeedEvent(run, int(number), "final", b""))
        last_id = (await first.read(1)).decode().split("\n\n")[-2].split("\n")[0][len("id: ") :]
        here.add(event(), b"2")
        there.add(event(), b"3")
        assert await ids(here.open(Filter(), last_id, never)) == [2]
        assert await ids(there.open(Filter(), last_id, never)) == [3]
        position = Position(last_id)
        for n in range(2 * MAX_RUNS):
            position.move(FeedEvent(f"run{n}", 1))
        assert len(str(position).split(",")) == MAX_RUNS
        assert Position("a-1,b-x,,c-2,-3").of("c") == 2

    asyncio.run(test())


def test_who_comes_after_the_end_is_told_that_it_is_over() -> None:
    async def test() -> None:
        feed = Feed()
        feed.end()
        assert feed.open(Filter(), None, never).ended

    asyncio.run(test())
