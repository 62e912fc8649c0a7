import asyncio

from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.outlets.feed import MAX_UNREAD, Feed, Filter, Reader
from tests.gateway.fakes import verdict


def event(kind: EventKind = EventKind.FINAL, gateway: str = "twilio") -> Event:
    return Event(kind, CallInfo("a", gateway), "caller", verdict())


def never() -> None:
    raise AssertionError("dropped")


async def ids(reader: Reader) -> list[int]:
    lines = (await reader.read(0.01)).decode().splitlines()
    return [int(line.rpartition("-")[2]) for line in lines if line.startswith("id: ")]


def test_an_event_is_a_message_with_id_kind_and_data() -> None:
    async def test() -> None:
        feed = Feed()
        reader = feed.open(Filter(), None, never)
        feed.add(event(), b'{"a":1}')
        lines = (await reader.read(1)).split(b"\n")
        assert lines[0].startswith(b"id: ") and lines[0].endswith(b"-1")
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
            await quick.read(0)
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
        waiting = feed.open(Filter(), None, never)
        task = asyncio.create_task(waiting.read(60))
        await asyncio.sleep(0)
        feed.end()
        assert await asyncio.wait_for(task, 1) == b""

    asyncio.run(test())
