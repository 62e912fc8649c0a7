"""Decisions on ranges, campaigns and marks in bulk: lists, and routes that change them."""

import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from aiohttp import BodyPartReader, web

from audio_model.desk.access import Session, SessionGuard
from audio_model.desk.answers import csv_file, html
from audio_model.desk.effects import Effects
from audio_model.desk.layout import View
from audio_model.desk.lists import (
    RangesNow,
    campaigns_page,
    handle,
    marks_page,
    ranges_page,
    wide_page,
)
from audio_model.desk.stores import Stores
from audio_model.errors import ResultsError, UsageError, printable
from audio_model.ranges.named import has_no_owner, holds_many_owners, range_of
from audio_model.ranges.numbers import normalise
from audio_model.ranges.store import RangeStore
from audio_model.ranges.tree import State
from audio_model.records import deeds, exports, handsets, marks
from audio_model.records.deeds import Deed, DeedKind
from audio_model.records.handsets import Taken
from audio_model.records.people import Person, Role
from audio_model.records.store import ALLOWED, RECORDED, CallStore

MAX_REASON = 500
JUST_SECONDS = 30.0
"""How long a page shows what a person has just decided on it."""
MAX_UPLOAD_BYTES = 16 * 1024 * 1024
_CAMPAIGNS = 200
_CHANGES = 200

_ACTS = {
    "open": DeedKind.OPENED,
    "close": DeedKind.CLOSED,
    "allow": DeedKind.ALLOWED,
    "disallow": DeedKind.DISALLOWED,
}


class Deciding:
    """Ranges, campaigns, and marks of handsets."""

    def __init__(
        self,
        stores: Stores,
        access: SessionGuard,
        effects: Effects,
        view: Callable[[Session], View],
    ) -> None:
        self._stores, self._access, self._effects, self._view = stores, access, effects, view

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_get("/ranges", self._ranges)
        router.add_post("/ranges", self._decide)
        router.add_get("/campaigns", self._campaigns)
        router.add_post(r"/campaigns/{n:[0-9]{1,15}}/mark", self._mark_campaign)
        router.add_get("/marks", self._marks)
        router.add_post("/marks/import", self._import)
        router.add_post("/marks/export", self._export)
        router.add_post("/v1/marks", self._import_by_program)

    async def _ranges(self, request: web.Request) -> web.Response:
        session = await self._access.session(request)
        now = await self._stores.ranges(_ranges_now)
        done = await self._just_done(session, _ACTS.values())
        return html(ranges_page(self._view(session), now, done))

    async def _just_done(self, session: Session, whats: Collection[DeedKind]) -> Deed | None:
        name, since = session.person.name, time.time() - JUST_SECONDS
        return await self._stores.read(lambda store: deeds.latest(store, name, whats, since))

    async def _decide(self, request: web.Request) -> web.Response:
        session, fields = await self._access.form(request, Role.DECIDING)
        act = fields.get("act", "")
        if act not in _ACTS:
            raise web.HTTPBadRequest(text=f"act must be {', '.join(_ACTS)}")
        reason = _reason(fields)
        prefix = await self._prefix(session, fields)
        view = self._view(session)
        if act == "open" and has_no_owner(prefix):
            raise web.HTTPBadRequest(
                text=f"{view.number(prefix)}: nobody can tell whose calls these are: they always "
                "pass"
            )
        if act == "open" and holds_many_owners(prefix):
            raise web.HTTPBadRequest(
                text=f"{view.number(prefix)} holds numbers of many owners: open a narrower range"
            )
        if act == "allow" and holds_many_owners(prefix) and fields.get("sure") != "yes":
            return html(wide_page(view, prefix, fields), 409)
        who = session.person.name

        def decide(store: RangeStore) -> int:
            match act:
                case "allow":
                    return len(store.allow(prefix, reason, who=who))
                case "disallow":
                    return int(store.disallow(prefix, reason, who=who))
                case _:
                    state = State.OPEN if act == "open" else State.CLOSED
                    return len(store.put(prefix, state, reason, who=who))

        changed = await self._stores.ranges(decide)
        if changed is None:
            raise web.HTTPNotFound(text="the desk has no store of ranges")
        if not changed:
            raise web.HTTPConflict(
                text="nothing changed: it is so already, or the range is allowed"
            )
        await self._stores.write(
            lambda store: deeds.note(
                store, who, _ACTS[act], about=prefix, detail={"reason": reason}
            )
        )
        raise web.HTTPSeeOther("/ranges")

    async def _prefix(self, session: Session, fields: dict[str, str]) -> str:
        """Return the range of a form: typed, chosen from a list, or of a call's number."""
        if typed := fields.get("typed", ""):
            try:
                return range_of(typed[:64])
            except ValueError as error:
                raise web.HTTPBadRequest(text=str(error)) from error
        if fields.get("call", "").isdecimal():
            n, length = int(fields["call"][:15]), fields.get("length", "")
            call = await self._stores.read(lambda store: store.call(n))
            found = [each for each in normalise(call.caller).prefixes if str(len(each)) == length]
            if found:
                return found[0]
        wanted = fields.get("range", "")
        candidates = await self._stores.ranges(
            lambda store: [
                *(node.prefix for node in store.ranges() if node.held),
                *(each.prefix for each in store.allowed()),
            ]
        )
        for each in candidates or ():
            if handle(session.secret, each) == wanted:
                return each
        raise web.HTTPBadRequest(text="no such range: open the page anew")

    async def _campaigns(self, request: web.Request) -> web.Response:
        session = await self._access.session(request)
        found = await self._stores.read(lambda store: store.campaigns(_CAMPAIGNS))
        done = await self._just_done(session, (DeedKind.CAMPAIGN,))
        return html(campaigns_page(self._view(session), found, done))

    async def _mark_campaign(self, request: web.Request) -> web.Response:
        session, fields = await self._access.form(request, Role.DECIDING)
        n, who, mark = int(request.match_info["n"]), session.person.name, fields.get("mark", "")
        if mark not in ("", RECORDED, ALLOWED):
            raise web.HTTPBadRequest(text="mark must be recorded, allowed or empty")
        reason = _reason(fields)

        def change(store: CallStore) -> bool:
            campaign = store.campaign(n)
            if campaign is None:
                return False
            with store.writing():
                marks.mark_campaign(store, n, mark, who, time.time(), reason)
                detail = {"said": mark, "reason": reason}
                deeds.note(store, who, DeedKind.CAMPAIGN, about=campaign.name, detail=detail)
            return True

        if not await self._stores.write(change):
            raise web.HTTPNotFound(text="no such campaign")
        self._effects.more()
        raise web.HTTPSeeOther("/campaigns")

    async def _marks(self, request: web.Request) -> web.Response:
        session = await self._access.session(request)
        return html(await self._marks_page(session, None))

    async def _marks_page(self, session: Session, taken: Taken | None) -> str:
        def ask(store: CallStore) -> str:
            people = store.rows(
                "SELECT who, count(*) FROM marks WHERE source = '' GROUP BY who ORDER BY 2 DESC"
            )
            return marks_page(
                self._view(session),
                marks.trusts(store),
                marks.between_people(store),
                marks.with_detector(store),
                people,
                taken,
            )

        return await self._stores.count(ask)

    async def _import(self, request: web.Request) -> web.Response:
        session = await self._access.session(request, Role.DECIDING)
        self._access.check_origin(request)
        fields, content, suffix = await _upload(request)
        self._access.check_secret(session, fields.get("secret", ""))
        taken = await self._take(
            session.person, content, suffix, fields.get("source", ""), fields.get("trust", "")
        )
        return html(await self._marks_page(session, taken))

    async def _import_by_program(self, request: web.Request) -> web.Response:
        person = await self._access.program(request, Role.DECIDING)
        suffix = {
            "text/csv": ".csv",
            "text/tab-separated-values": ".tsv",
            "application/jsonl": ".jsonl",
            "application/x-ndjson": ".jsonl",
        }.get(request.content_type)
        if suffix is None:
            raise web.HTTPUnsupportedMediaType(text="send text/csv or application/x-ndjson")
        content = await request.read()
        source, trust = request.query.get("source", ""), request.query.get("trust", "0.7")
        taken = await self._take(person, content, suffix, source, trust)
        return web.json_response(
            {
                **taken.counts,
                "problems": [
                    {"where": each.where, "problem": each.problem} for each in taken.problems
                ],
            }
        )

    async def _take(
        self, person: Person, content: bytes, suffix: str, source: str, trust: str
    ) -> Taken:
        try:
            chance = float(trust)
        except ValueError:
            raise web.HTTPBadRequest(text=f"trust is {printable(trust[:40])!r}") from None
        with tempfile.TemporaryDirectory(prefix="audio-model-desk-") as folder:
            file = Path(folder, f"marks{suffix}")
            file.write_bytes(content)

            steps: Iterator[Taken] | None = None

            def step(store: CallStore) -> Taken | None:
                nonlocal steps
                if steps is None:
                    steps = handsets.importing(store, str(file), source, chance)
                return next(steps, None)

            taken = Taken()
            try:
                # A batch is a job of its own: people's marks are written between two.
                while (so_far := await self._stores.write(step)) is not None:
                    taken = so_far
            except UsageError as error:
                raise web.HTTPBadRequest(text=str(error)) from error
            except ResultsError as error:
                # The message names a file of the server's.
                said = str(error).replace(str(file), "the file")
                raise web.HTTPBadRequest(text=said) from error
        counts = {"calls": taken.calls, "numbers": taken.numbers}
        await self._stores.write(
            lambda store: deeds.note(
                store, person.name, DeedKind.IMPORTED, about=source, detail=counts
            )
        )
        return taken

    async def _export(self, request: web.Request) -> web.Response:
        session, _ = await self._access.form(request, Role.DECIDING)
        if session.hides:
            raise web.HTTPForbidden(text="a manifest tells numbers: show them first")
        with tempfile.TemporaryDirectory(prefix="audio-model-desk-") as folder:
            file = Path(folder, "marks.csv")
            n, left_out = await self._stores.count(lambda store: exports.export(store, file))
            content = file.read_bytes()
        detail = {"calls": n, "left_out": left_out}
        name = session.person.name
        await self._stores.write(
            lambda store: deeds.note(store, name, DeedKind.EXPORTED, detail=detail)
        )
        return csv_file("marks.csv", content)


def _reason(fields: Mapping[str, str]) -> str:
    """Return the reason for a decision. Raises HTTPBadRequest if there is none."""
    reason = fields.get("reason", "").strip()
    if not 0 < len(reason) <= MAX_REASON:
        raise web.HTTPBadRequest(text=f"say why, in 1 to {MAX_REASON} characters")
    return reason


def _ranges_now(store: RangeStore) -> RangesNow:
    store.tick(time.time())
    held = [node for node in store.ranges() if node.held]
    held.sort(key=lambda node: (node.state is not State.OPEN, -node.calls))
    return RangesNow(held, store.allowed(), store.changes(limit=_CHANGES), store.policy)


async def _upload(request: web.Request) -> tuple[dict[str, str], bytes, str]:
    """Return the fields and the file of a form.

    Raises HTTPBadRequest and HTTPRequestEntityTooLarge.
    """
    if request.content_type != "multipart/form-data":
        raise web.HTTPUnsupportedMediaType()
    fields: dict[str, str] = {}
    content = bytearray()
    suffix = ".csv"
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise web.HTTPBadRequest(text="the form can't be read")
            piece_of = content if part.filename is not None else bytearray()
            while piece := await part.read_chunk():
                piece_of += piece
                if len(piece_of) > MAX_UPLOAD_BYTES or (
                    part.filename is None and len(piece_of) > MAX_REASON * 4
                ):
                    raise web.HTTPRequestEntityTooLarge(MAX_UPLOAD_BYTES, len(piece_of))
            if part.filename is None:
                fields[part.name or ""] = piece_of.decode("utf-8", "replace")
            elif Path(part.filename).suffix.lower() == ".jsonl":
                suffix = ".jsonl"
    except (ValueError, AssertionError) as error:
        raise web.HTTPBadRequest(text="the form can't be read") from error
    return fields, bytes(content), suffix
