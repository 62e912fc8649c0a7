"""The routes of the desk, and their answers."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from importlib import resources

from aiohttp import web

from audio_model.desk import access, layout
from audio_model.desk.access import Session, SessionGuard
from audio_model.desk.answers import html
from audio_model.desk.call_page import CallFacts, Last, RangeView, call_page, queue_page
from audio_model.desk.deciding import Deciding
from audio_model.desk.effects import Effects
from audio_model.desk.figures import MonthRoutes
from audio_model.desk.layout import View, text
from audio_model.desk.listening import CallPlayer, PlayableCall
from audio_model.desk.log_page import log_page
from audio_model.desk.marking import Marking
from audio_model.desk.stores import Stores
from audio_model.detector import Detector
from audio_model.errors import AudioError, AudioModelError, StoreError, UnknownCallError, printable
from audio_model.pages.markup import tag
from audio_model.pages.texts import Text
from audio_model.ranges.describe import range_values
from audio_model.ranges.numbers import normalise
from audio_model.ranges.store import RangeStore
from audio_model.records import deeds, imports, marks, queue
from audio_model.records.calls import has_number
from audio_model.records.deeds import DeedKind
from audio_model.records.people import Role
from audio_model.records.queue import QueueProgress
from audio_model.records.store import CallStore, StoredCall

logger = logging.getLogger(__name__)

PROGRESS_SECONDS = 15.0
"""How old the counts over the queue may be."""
HISTORY = 8
KEEP_UP_SECONDS = 1800.0
"""The time between two looks at whether the scores of live calls have drifted."""
LISTENED_SECONDS = 60.0
"""Requests within so long are one listening: a browser asks for a sound in pieces."""
MAX_REQUEST_BYTES = 16 * 1024 * 1024
LOG_LINES = 200

_KEPT = ("Allow", "Retry-After")
_ASSETS = {
    "style.css": ("audio_model.pages", "text/css"),
    "script.js": ("audio_model.pages", "text/javascript"),
    "desk.css": ("audio_model.desk", "text/css"),
    "desk.js": ("audio_model.desk", "text/javascript"),
    "icon.svg": ("audio_model.desk", "image/svg+xml"),
}


@dataclass(frozen=True)
class _Counts:
    """Counts that take a while, and may be some seconds old."""

    at: float
    progress: QueueProgress
    agreement: float | None
    """Share of the calls two people heard on which they agree."""
    trusts: Mapping[str, float]


class Desk:
    """One desk: its stores, its sessions, and its pages."""

    def __init__(
        self, stores: Stores, detector: Detector, zone: tzinfo, zone_name: str, origin: str = ""
    ) -> None:
        """Make a desk.

        Args:
            stores: the store of calls, and those of ranges and known recordings if it has them.
            detector: draws the score over time.
            zone: the zone of the days and hours that people see.
            zone_name: the zone's name.
            origin: see :class:`SessionGuard`.
        """
        self._stores, self._zone = stores, zone
        self._access = SessionGuard(stores, origin)
        self._listening = CallPlayer(detector)
        self._effects = Effects(stores.places)
        self._marking = Marking(stores, self._access, self._effects)
        self._deciding = Deciding(stores, self._access, self._effects, self._view)
        self._figures = MonthRoutes(stores, self._access, self._view, zone, zone_name)
        self._counts: _Counts | None = None
        self._listened: dict[tuple[str, int], float] = {}
        self._assets = {
            name: (resources.files(package).joinpath(name).read_bytes(), kind)
            for name, (package, kind) in _ASSETS.items()
        }

    def application(self) -> web.Application:
        """Return the application to serve."""
        app = web.Application(
            middlewares=[access.headers, _errors], client_max_size=MAX_REQUEST_BYTES
        )
        app.on_startup.append(self._start)
        app.on_cleanup.append(self._close)
        router = app.router
        router.add_get("/", self._home)
        router.add_get("/sign-in", self._sign_in_page)
        router.add_post("/sign-in", self._sign_in)
        router.add_post("/sign-out", self._sign_out)
        router.add_post("/mask", self._mask)
        router.add_get("/assets/{name}", self._asset)
        router.add_get("/queue", self._queue)
        router.add_get(r"/calls/{n:[0-9]{1,15}}", self._call)
        router.add_get(r"/calls/{n:[0-9]{1,15}}/audio", self._audio)
        router.add_get(r"/calls/{n:[0-9]{1,15}}/picture", self._picture)
        router.add_get("/log", self._log)
        self._marking.add_routes(router)
        self._deciding.add_routes(router)
        self._figures.add_routes(router)
        return app

    async def _start(self, _: web.Application) -> None:
        self._effects.start()
        self._keeping_up = asyncio.create_task(self._keep_up())

    async def _keep_up(self) -> None:
        """Do for live calls, now and then, what an import does at its end."""
        while True:
            try:
                await self._stores.keep_up(imports.keep_up)
            except StoreError as error:
                logger.error("drift and figures wait for the store: %s", error)
            await asyncio.sleep(KEEP_UP_SECONDS)

    async def _close(self, _: web.Application) -> None:
        self._keeping_up.cancel()
        await asyncio.to_thread(self._effects.close)
        await self._stores.close()

    def _view(self, session: Session) -> View:
        return View(session, self._zone)

    async def _home(self, request: web.Request) -> web.Response:
        raise web.HTTPSeeOther("/queue")

    async def _asset(self, request: web.Request) -> web.Response:
        found = self._assets.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        content, kind = found
        return web.Response(
            body=content, content_type=kind, charset="utf-8", headers={"Cache-Control": "no-cache"}
        )

    async def _sign_in_page(self, request: web.Request) -> web.Response:
        return html(_sign_in_page(None))

    async def _sign_in(self, request: web.Request) -> web.Response:
        self._access.check_origin(request)
        fields = await access.read_form(request)
        found = await self._access.sign_in(request, fields.get("token", "").strip())
        if found is None:
            return html(_sign_in_page(text("wrong_token")), 403)
        key, session = found
        name = session.person.name
        await self._stores.write(lambda store: deeds.note(store, name, DeedKind.SIGNED_IN))
        response = web.Response(status=303, headers={"Location": "/queue"})
        self._access.set_cookie(response, request, key)
        return response

    async def _sign_out(self, request: web.Request) -> web.Response:
        await self._access.form(request, Role.READING)
        self._access.sign_out(request)
        response = web.Response(status=303, headers={"Location": "/sign-in"})
        response.del_cookie(access.COOKIE, path="/")
        return response

    async def _mask(self, request: web.Request) -> web.Response:
        session, _ = await self._access.form(request, Role.READING)
        session.masked = not session.masked
        raise web.HTTPSeeOther("/queue")

    async def _queue(self, request: web.Request) -> web.Response:
        session = await self._access.session(request)
        name = session.person.name
        call: StoredCall | None = None
        if session.person.role.may(Role.MARKING):
            call = await self._stores.write(lambda store: queue.lease(store, name))
        else:
            found = await self._stores.read(
                lambda store: store.calls("queue IS NOT NULL ORDER BY queue DESC, n LIMIT 1")
            )
            call = found[0] if found else None
        progress, counts = await self._counted(name)
        facts = None if call is None else await self._stores.read(_about(call, counts.trusts))
        last, undone = await self._stores.read(
            lambda store: (deeds.to_undo(store, name), deeds.just_undone(store, name))
        )
        ranges = None if call is None else await self._ranges_of(call)
        page = queue_page(
            self._view(session), facts, ranges, progress, Last(last, undone), counts.agreement
        )
        return html(page)

    async def _call(self, request: web.Request) -> web.Response:
        session = await self._access.session(request)
        call = await self._found(request)
        _, counts = await self._counted(session.person.name)
        facts = await self._stores.read(_about(call, counts.trusts))
        return html(call_page(self._view(session), facts, await self._ranges_of(call)))

    async def _audio(self, request: web.Request) -> web.Response:
        session = await self._access.session(request)
        call = await self._found(request)
        heard = await self._heard(call)
        await self._note_listening(session.person.name, call.n)
        return _ranged(request, heard.wav, "audio/wav")

    async def _picture(self, request: web.Request) -> web.Response:
        await self._access.session(request)
        heard = await self._heard(await self._found(request))
        # The picture holds its spectrogram as data; nothing else may be loaded by it.
        return web.Response(
            body=heard.picture,
            content_type="image/svg+xml",
            headers={
                "Content-Security-Policy": "default-src 'none'; img-src data:; sandbox",
                "Cache-Control": "private, max-age=600",
            },
        )

    async def _log(self, request: web.Request) -> web.Response:
        session = await self._access.session(request)
        digits = request.query.get("before", "")
        before = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None
        lines = await self._stores.read(lambda store: deeds.log(store, LOG_LINES, before))
        return html(log_page(self._view(session), lines))

    async def _found(self, request: web.Request) -> StoredCall:
        n = int(request.match_info["n"])
        return await self._stores.read(lambda store: store.call(n))

    async def _heard(self, call: StoredCall) -> PlayableCall:
        asked = await self._stores.read(lambda store: store.asked(call.archive))
        try:
            return await asyncio.to_thread(self._listening.hear, call, asked)
        except AudioError as error:
            logger.warning("call %d can't be heard: %s", call.n, error.message)
            raise web.HTTPNotFound(text="the recording can't be read now") from error

    async def _note_listening(self, who: str, call: int) -> None:
        now = time.monotonic()
        if now - self._listened.get((who, call), -LISTENED_SECONDS) < LISTENED_SECONDS:
            return
        fresh = {key: at for key, at in self._listened.items() if now - at < LISTENED_SECONDS}
        self._listened = fresh | {(who, call): now}
        await self._stores.write(lambda store: deeds.note(store, who, DeedKind.LISTENED, call=call))

    async def _counted(self, who: str) -> tuple[QueueProgress, _Counts]:
        """Return a person's progress now, and the counts over all of the store."""
        now = time.time()
        day = datetime.now(self._zone).replace(hour=0, minute=0, second=0, microsecond=0)
        since = day.timestamp()
        if self._counts is None or now - self._counts.at > PROGRESS_SECONDS:

            def count(store: CallStore) -> _Counts:
                agreed = marks.between_people(store)
                share = agreed.same / agreed.compared if agreed.compared else None
                trusts = {each.source: each.now for each in marks.trusts(store)}
                return _Counts(now, queue.progress(store, who, since), share, trusts)

            self._counts = await self._stores.count(count)
        counts = self._counts
        today, own = await self._stores.read(lambda store: queue.marked_since(store, who, since))
        return replace(counts.progress, marked_today=today, own_today=own), counts

    async def _ranges_of(self, call: StoredCall) -> RangeView | None:
        now = time.time()

        def ask(store: RangeStore) -> RangeView:
            shares = [
                (node.prefix, float(range_values(node, store.policy)["share"] or 0), node.calls)
                for node in store.chain(call.caller)
            ]
            return RangeView(store.advise(call.caller, now), shares[-4:])

        return await self._stores.ranges(ask)


def _about(call: StoredCall, trusts: Mapping[str, float]) -> Callable[[CallStore], CallFacts]:
    """Return a function that reads the facts a page shows beside a call."""

    def ask(store: CallStore) -> CallFacts:
        history: list[StoredCall] = []
        if has_number(normalise(call.caller)):
            history = store.calls(
                "number = ? AND n != ? ORDER BY time DESC LIMIT ?", (call.number, call.n, HISTORY)
            )
        return CallFacts(
            call,
            campaign=None if call.campaign is None else store.campaign(call.campaign),
            marks=marks.of_call(store, call.n),
            number_marks=marks.of_number(store, call.number) if call.number else [],
            history=history,
            trusts=trusts,
            holder=queue.holder(store, call.n, time.time()),
        )

    return ask


def _sign_in_page(wrong: Text | None) -> str:
    return layout.bare_page(
        text("sign_in"),
        tag.p(wrong, class_="message wrong", role="alert") if wrong else None,
        tag.p(text("sign_in_about"), class_="about"),
        tag.form(layout.field(
                "token", "token", type="password", required="required",
                autocomplete="current-password", autofocus="autofocus", maxlength=200,
            ),
            layout.button("sign_in", class_="strong"),
            class_="sign-in",
            method="post",
            action="/sign-in",
        ),
    )  # fmt: skip


def _error_page(message: str) -> str:
    return layout.bare_page(
        text("error_title"),
        tag.p(printable(message), class_="message wrong", role="alert"),
        tag.p(tag.a(text("back"), href="/queue")),
    )


def _ranged(request: web.Request, content: bytes, kind: str) -> web.Response:
    """Return an answer of which a browser may ask a part, to go to the middle of a sound.

    Source: RFC 9110, section 14.
    """
    headers = {"Accept-Ranges": "bytes"}
    try:
        wanted = request.http_range
    except ValueError:
        wanted = slice(None)
    start, stop, _ = wanted.indices(len(content))
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=content, content_type=kind, headers=headers)
    if start >= stop:
        raise web.HTTPRequestRangeNotSatisfiable(
            headers={"Content-Range": f"bytes */{len(content)}"}
        )
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    return web.Response(body=content[start:stop], status=206, content_type=kind, headers=headers)


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await _told(request, handler)
    except web.HTTPException as error:
        if error.status < 400 or "text/html" not in request.headers.get("Accept", ""):
            raise
        kept = {name: error.headers[name] for name in _KEPT if name in error.headers}
        response = html(_error_page(error.text or error.reason), error.status)
        response.headers.update(kept)
        return response


async def _told(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except UnknownCallError as error:
        raise web.HTTPNotFound(text=str(error)) from error
    except StoreError as error:
        # The message names files: it is for the log.
        logger.error("%s", error)
        raise web.HTTPServiceUnavailable(text="a store can't be used now") from error
    except AudioModelError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
