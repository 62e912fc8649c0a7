"""Server-sent events: one reader's answer, until one of the two goes."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from audio_model.gateway.outlets.feed import Feed, Filter, Reader
from audio_model.gateway.outlets.metrics import Metrics

logger = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 15.0
LAST_ID = "Last-Event-ID"


@asynccontextmanager
async def reading(
    request: web.Request, feed: Feed, wanted: Filter, metrics: Metrics
) -> AsyncIterator[Reader]:
    """Open a reader for a request, from where its ``Last-Event-ID`` says."""
    reader = feed.open(wanted, request.headers.get(LAST_ID), _cutting(request, metrics))
    try:
        yield reader
    finally:
        feed.close(reader)


async def stream(request: web.Request, reader: Reader) -> web.StreamResponse:
    """Answer with the events of a reader for as long as both are there."""
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    try:
        await response.prepare(request)
        await response.write(b": events follow\n\n")
        while True:
            messages = await reader.read(KEEP_ALIVE_SECONDS)
            if messages or not reader.ended:
                await response.write(messages or b": no events\n\n")
            if reader.ended:
                break
    except (ConnectionError, aiohttp.ClientError):
        logger.debug("a reader of events has gone")
    return response


def _cutting(request: web.Request, metrics: Metrics) -> Callable[[], None]:
    def cut() -> None:
        metrics.slow_readers.inc()
        logger.warning("a reader of events reads too slowly and is dropped")
        if request.transport is not None:
            request.transport.abort()

    return cut
