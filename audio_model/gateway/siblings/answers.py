"""What a process tells its siblings, by HTTP over a Unix socket that its user alone can reach."""

from collections.abc import Callable, Mapping

import msgspec
from aiohttp import web

from audio_model.gateway.http.event_stream import reading, stream
from audio_model.gateway.outlets.feed import Feed, Filter
from audio_model.gateway.outlets.history import CallHistory, History
from audio_model.gateway.outlets.metrics import Metrics

MAX_BODY_BYTES = 1 << 28
"""The most bytes of a piece of history that is handed over."""

RECORDS = msgspec.msgpack.Decoder(list[CallHistory])


def packed(records: list[CallHistory]) -> bytes:
    """Return calls as bytes for :data:`RECORDS`."""
    return msgspec.msgpack.encode(records)


class Readiness(msgspec.Struct, omit_defaults=True):
    """What ``/readyz`` says, of one process or of all."""

    status: str
    parts: dict[str, str] = {}
    """``up`` or ``down``."""
    processes: dict[str, str] = {}
    """The status of each, by its number."""


class Answers:
    """The routes to a process's own calls, events, metrics and readiness."""

    def __init__(
        self, history: History, feed: Feed, metrics: Metrics, ready: Callable[[], Readiness]
    ) -> None:
        self.history = history
        self._feed, self._metrics, self._ready = feed, metrics, ready

    def application(self, look: Callable[[], None]) -> web.Application:
        """Return the application with all routes. ``look`` finds out which processes live."""

        async def looked(_: web.Request) -> web.Response:
            look()
            return web.Response()

        application = web.Application(client_max_size=MAX_BODY_BYTES)
        router = application.router
        router.add_get("/look", looked)
        router.add_get("/recent", self._recent)
        router.add_get("/call", self._call)
        router.add_get("/events", self._events, allow_head=False)
        router.add_get("/metrics", self._text)
        router.add_get("/ready", self._readiness)
        router.add_post("/history", self._take)
        return application

    async def _recent(self, request: web.Request) -> web.Response:
        query = request.query
        return web.Response(
            body=packed(self.history.recent(int(query["limit"]), query.get("tenant")))
        )

    async def _call(self, request: web.Request) -> web.Response:
        found = self.history.find(request.query["id"], request.query.get("tenant"))
        return web.Response(body=packed([] if found is None else [found]))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        wanted = Filter(query["kind"], query["gateway"], query.get("tenant"))
        async with reading(request, self._feed, wanted, self._metrics) as reader:
            return await stream(request, reader)

    async def _text(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text())

    async def _readiness(self, _: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self._ready()))

    async def _take(self, request: web.Request) -> web.Response:
        self.history.take(RECORDS.decode(await request.read()))
        return web.Response(status=204)


def query_of(tenant: str | None, **values: str) -> Mapping[str, str]:
    """Return a query that asks for the calls of a tenant, or of everybody for None."""
    return values if tenant is None else {**values, "tenant": tenant}
