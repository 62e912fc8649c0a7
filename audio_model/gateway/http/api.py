"""The HTTP side of the server: its routes and their answers."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

import msgspec
from aiohttp import web

from audio_model.gateway.config.tenants import Tenant
from audio_model.gateway.dialects import DIALECTS, Dialect
from audio_model.gateway.events import EventKind
from audio_model.gateway.http import openapi
from audio_model.gateway.http.access import AccessControl
from audio_model.gateway.http.errors import HttpError, json_response
from audio_model.gateway.http.event_stream import reading, stream
from audio_model.gateway.http.scoring import Scoring
from audio_model.gateway.http.websockets import WebSockets
from audio_model.gateway.outlets.feed import Feed, Filter
from audio_model.gateway.outlets.history import History, merged
from audio_model.gateway.outlets.metrics import Metrics, Parts
from audio_model.gateway.ranges import Ranges
from audio_model.gateway.rtp.ng import RtpengineError
from audio_model.gateway.rtp.receiver import NoPortError
from audio_model.gateway.rtp.rtpengine import Rtpengine
from audio_model.gateway.siblings.answers import Readiness
from audio_model.gateway.siblings.follow import following
from audio_model.gateway.siblings.siblings import Siblings

logger = logging.getLogger(__name__)

STREAM_PATH = "/v1/stream"
_PLAIN = "stream"
"""The dialect of STREAM_PATH."""

MAX_READERS = 100
MAX_JSON_BYTES = 16_384
DEFAULT_LIMIT, MAX_LIMIT = 100, 1000


class _Follow(msgspec.Struct):
    """A call that is to be heard through rtpengine."""

    call_id: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    from_tag: Annotated[str, msgspec.Meta(max_length=255)] = ""
    caller: Annotated[str, msgspec.Meta(max_length=255)] = ""
    called: Annotated[str, msgspec.Meta(max_length=255)] = ""


_FOLLOW = msgspec.json.Decoder(_Follow)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Phase(StrEnum):
    """The phase of the server's life."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    IMPAIRED = "impaired"
    """Calls are taken, but something that the server was told to use does not work."""


@dataclass
class Api:
    """The routes, and the parts of the server that they need."""

    access: AccessControl
    websockets: WebSockets
    scoring: Scoring
    history: History
    feed: Feed
    metrics: Metrics
    phase: Phase = Phase.STARTING
    rtpengine: Rtpengine | None = None
    ranges: Ranges | None = None
    parts: Parts = field(default_factory=dict)
    siblings: Siblings | None = None
    """The other processes of the port; None if it is not shared."""
    n_readers: int = field(default=0, init=False)
    """Readers of ``/v1/events`` now."""

    def application(self) -> web.Application:
        """Return the application with its routes."""
        application = web.Application(middlewares=[_errors_as_json], client_max_size=MAX_JSON_BYTES)
        router = application.router
        router.add_get("/healthz", self._health)
        router.add_get("/readyz", self._ready)
        router.add_get("/metrics", self._metrics)
        router.add_get("/openapi.json", self._openapi)
        router.add_post("/v1/score", self._score)
        router.add_get("/v1/calls", self._calls)
        router.add_get("/v1/calls/{id:.+}", self._call)
        router.add_get("/v1/events", self._events, allow_head=False)
        router.add_post("/v1/rtpengine", self._follow)
        router.add_get("/v1/ranges/{number:.+}", self._range)
        router.add_get("/v1/campaigns", self._campaigns)
        router.add_post("/v1/feedback", self._feedback)
        for path, dialect in dialect_paths().items():
            router.add_get(path, self._websocket(dialect), allow_head=False)
        self._document = openapi.document(
            [path for path in dialect_paths() if path != STREAM_PATH], STREAM_PATH
        )
        return application

    async def _health(self, _: web.Request) -> web.Response:
        return json_response({"status": "ok"})

    def readiness(self) -> Readiness:
        """Return whether this process takes calls, and whether its parts work."""
        parts = {name: "up" if works() else "down" for name, works in self.parts.items()}
        impaired = self.phase is Phase.READY and "down" in parts.values()
        return Readiness(Phase.IMPAIRED if impaired else self.phase, parts)

    async def _ready(self, _: web.Request) -> web.Response:
        ready = self.readiness()
        if self.siblings is not None:
            ready = together(self.siblings.number, ready, await self.siblings.readiness())
        return json_response(ready, 200 if ready.status == Phase.READY else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        self.access.check(request)
        siblings = self.siblings
        body = self.metrics.text() if siblings is None else await siblings.metrics(self.metrics)
        return web.Response(body=body, headers={"Content-Type": self.metrics.content_type})

    async def _openapi(self, _: web.Request) -> web.Response:
        return json_response(self._document)

    async def _score(self, request: web.Request) -> web.Response:
        tenant = self.access.check_reader(request)
        self._check_phase()
        return await self.scoring.handle(
            request, None if tenant is None else tenant.max_false_alarm
        )

    async def _calls(self, request: web.Request) -> web.Response:
        tenant = self.access.check_reader(request)
        text = request.query.get("limit", str(DEFAULT_LIMIT))
        limit = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
        if not 1 <= limit <= MAX_LIMIT:
            raise HttpError(400, "bad_request", f"limit must be 1 to {MAX_LIMIT}")
        records = self.history.recent(limit, _named(tenant))
        answer: dict[str, object] = {}
        if self.siblings is not None:
            others, silent = await self.siblings.recent(limit, _named(tenant))
            records = merged([*records, *others])[:limit]
            if silent:
                answer["unanswered"] = list(silent)
        return json_response({"calls": [record.as_dict() for record in records], **answer})

    async def _call(self, request: web.Request) -> web.Response:
        tenant = self.access.check_reader(request)
        call_id = request.match_info["id"]
        found = self.history.find(call_id, _named(tenant))
        records, silent = [] if found is None else [found], tuple[int, ...]()
        if self.siblings is not None:
            others, silent = await self.siblings.find(call_id, _named(tenant))
            records = merged([*records, *others])
        if not records and silent:
            raise HttpError(
                503, "no_answer", f"process {silent[0]} of this port does not answer, and may know"
            )
        if not records:
            raise HttpError(
                404, "no_such_call", "no call has this id, or the server has forgotten it"
            )
        return json_response(records[0].as_dict())

    async def _events(self, request: web.Request) -> web.StreamResponse:
        tenant = self.access.check_reader(request, in_query=True)
        kind = request.query.get("event", "")
        if kind and kind not in list(EventKind):
            raise HttpError(400, "bad_request", f"event must be {', '.join(EventKind)}")
        if self.n_readers >= MAX_READERS:
            self.metrics.refused.labels("readers").inc()
            raise HttpError(503, "too_many_readers", "no more readers are taken now")
        self._check_phase()
        wanted = Filter(kind, request.query.get("gateway", ""), _named(tenant))
        self.n_readers += 1
        try:
            async with (
                reading(request, self.feed, wanted, self.metrics) as reader,
                following(self.siblings, reader),
            ):
                return await stream(request, reader)
        finally:
            self.n_readers -= 1

    async def _follow(self, request: web.Request) -> web.Response:
        self.access.check(request)
        self._check_phase()
        if self.rtpengine is None:
            raise HttpError(404, "no_rtpengine", "the server was started without --rtpengine")
        try:
            wanted = _FOLLOW.decode(await request.read())
        except msgspec.MsgspecError as error:
            raise HttpError(400, "bad_request", str(error)) from error
        try:
            begun = await self.rtpengine.follow(
                wanted.call_id, wanted.from_tag, caller=wanted.caller, called=wanted.called
            )
        except RtpengineError as error:
            raise HttpError(502, "rtpengine", str(error)) from error
        except NoPortError as error:
            raise HttpError(503, "no_port", str(error)) from error
        return json_response({"call": wanted.call_id, "begun": begun}, 202)

    async def _range(self, request: web.Request) -> web.Response:
        self.access.check(request)
        return json_response(await self._counted_ranges.range(request.match_info["number"]))

    async def _campaigns(self, request: web.Request) -> web.Response:
        self.access.check(request)
        return json_response(await self._counted_ranges.campaigns())

    async def _feedback(self, request: web.Request) -> web.Response:
        self.access.check(request)
        return json_response(await self._counted_ranges.feedback(await request.read()))

    @property
    def _counted_ranges(self) -> Ranges:
        if self.ranges is None:
            raise HttpError(404, "no_ranges", "the server was started without --ranges")
        return self.ranges

    def _websocket(self, dialect: type[Dialect]) -> _Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            tenant = self.access.check_gateway(request, dialect.name)
            self._check_phase()
            return await self.websockets.serve(request, dialect, tenant)

        return handle

    def _check_phase(self) -> None:
        if self.phase is not Phase.READY:
            raise HttpError(503, self.phase, f"the server is {self.phase}")


def together(number: int, own: Readiness, others: Mapping[int, Readiness | None]) -> Readiness:
    """Return the readiness of all processes of a port.

    A part that is down in any process that takes calls is down for the port. A process that starts
    or stops takes none, so its parts don't count. ``own`` is the readiness of this process,
    ``number``.
    """
    processes = {number: own} | {
        each: ready or Readiness("unanswered") for each, ready in others.items()
    }
    status, parts = own.status, dict(own.parts)
    for ready in processes.values():
        if ready.status not in (Phase.STARTING, Phase.STOPPING):
            parts |= {name: state for name, state in ready.parts.items() if state == "down"}
            if status == Phase.READY and ready.status != Phase.READY:
                status = Phase.IMPAIRED
    return Readiness(status, parts, {str(n): processes[n].status for n in sorted(processes)})


def dialect_paths() -> dict[str, type[Dialect]]:
    """Return the WebSocket paths and their dialects."""
    return {
        STREAM_PATH if name == _PLAIN else f"/{name}": dialect for name, dialect in DIALECTS.items()
    }


def _named(tenant: Tenant | None) -> str | None:
    return None if tenant is None else tenant.name


@web.middleware
async def _errors_as_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except HttpError as error:
        return error.response()
    except web.HTTPException as error:
        code = error.reason.lower().replace(" ", "_")
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return HttpError(error.status, code, error.reason, headers).response()
    except ConnectionError:
        # The client has gone, so the answer reaches nobody.
        return HttpError(400, "gone", "the connection is gone").response()
    except Exception:
        resource = request.match_info.route.resource
        # The path itself may hold a number.
        path = "a path" if resource is None else resource.canonical
        logger.exception("a request to %s could not be answered", path)
        return HttpError(500, "internal_error", "the log has its traceback").response()
