"""Events of all processes of a port for a reader of one of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from audio_model.gateway.http.event_stream import LAST_ID
from audio_model.gateway.outlets.feed import FeedEvent, Reader
from audio_model.gateway.siblings.answers import query_of
from audio_model.gateway.siblings.siblings import FAILURES, LOOK_SECONDS, Siblings

CROWDED_SECONDS = 0.05
_END = b"\n\n"
_ENDLESS = aiohttp.ClientTimeout(total=None)


@asynccontextmanager
async def following(siblings: Siblings | None, reader: Reader) -> AsyncIterator[None]:
    """Give a reader the siblings' events, too, while the context lasts."""
    if siblings is None:
        yield
        return
    task = asyncio.create_task(_follow_all(siblings, reader))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _follow_all(siblings: Siblings, reader: Reader) -> None:
    """Follow all siblings there are, whenever they begin."""
    followed: dict[int, asyncio.Task[None]] = {}
    # Of those who are there already the events from now on are wanted, and all of later ones.
    from_now = set() if reader.resumes else set(siblings.others)
    async with asyncio.TaskGroup() as tasks:
        while not reader.ended:
            for number in siblings.others:
                if number not in followed or followed[number].done():
                    follows = _follow(siblings, number, reader, from_now=number in from_now)
                    followed[number] = tasks.create_task(follows)
                    from_now.discard(number)
            await asyncio.sleep(LOOK_SECONDS)


async def _follow(siblings: Siblings, number: int, reader: Reader, *, from_now: bool) -> None:
    """Tell a reader what a sibling says, until that ends."""
    wanted = reader.wanted
    query = query_of(wanted.tenant, kind=wanted.kind, gateway=wanted.gateway)
    headers = {} if from_now else {LAST_ID: str(reader.position)}
    try:
        async with siblings.client(number).get(
            "/events", params=query, headers=headers, timeout=_ENDLESS
        ) as response:
            response.raise_for_status()
            while (message := await response.content.readuntil(_END)).endswith(_END):
                if (told := _read(message)) is None:
                    continue
                while reader.crowded and not reader.ended:
                    # The sibling keeps what this one can't take yet.
                    await asyncio.sleep(CROWDED_SECONDS)
                reader.put(told)
    except FAILURES:
        # It is tried again for as long as the sibling lives.
        return


def _read(message: bytes) -> FeedEvent | None:
    """Return the event of a message; None if it is a comment."""
    fields = dict(line.split(b": ", 1) for line in message.splitlines() if line)
    if b"id" not in fields:
        return None
    run, _, number = fields[b"id"].decode().rpartition(",")[2].rpartition("-")
    return FeedEvent(run, int(number), fields.get(b"event", b"").decode(), fields.get(b"data", b""))
