"""Marks of people at the desk: routes that change the queue."""

from aiohttp import web

from audio_model.desk.access import SessionGuard
from audio_model.desk.effects import Effects
from audio_model.desk.stores import Stores
from audio_model.records import deeds, marks, queue
from audio_model.records.deeds import DeedKind
from audio_model.records.marks import Said
from audio_model.records.people import Role
from audio_model.records.store import CallStore


class Marking:
    """Answers, skips, and undo."""

    def __init__(self, stores: Stores, access: SessionGuard, effects: Effects) -> None:
        self._stores, self._access, self._effects = stores, access, effects

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_post(r"/calls/{n:[0-9]{1,15}}/take", self._take)
        router.add_post(r"/calls/{n:[0-9]{1,15}}/mark", self._mark)
        router.add_post(r"/calls/{n:[0-9]{1,15}}/skip", self._skip)
        router.add_post("/undo", self._undo)

    async def _take(self, request: web.Request) -> web.Response:
        session, _ = await self._access.form(request, Role.MARKING)
        n, who = int(request.match_info["n"]), session.person.name

        def take(store: CallStore) -> None:
            store.call(n)
            queue.take(store, n, who)

        await self._stores.write(take)
        raise web.HTTPSeeOther(f"/calls/{n}")

    async def _mark(self, request: web.Request) -> web.Response:
        session, fields = await self._access.form(request, Role.MARKING)
        said = fields.get("said", "")
        if said not in list(Said):
            raise web.HTTPBadRequest(text=f"said must be {', '.join(Said)}")
        n, who = int(request.match_info["n"]), session.person.name

        def give(store: CallStore) -> bool:
            # Whoever was away for long may have lost the call to somebody else.
            if not queue.take(store, n, who):
                return False
            marks.give(store, n, who, Said(said))
            return True

        if not await self._stores.write(give):
            raise web.HTTPConflict(text="somebody else is hearing this call now")
        self._effects.more()
        raise web.HTTPSeeOther("/queue")

    async def _skip(self, request: web.Request) -> web.Response:
        session, _ = await self._access.form(request, Role.MARKING)
        n, who = int(request.match_info["n"]), session.person.name

        def skip(store: CallStore) -> None:
            store.call(n)
            with store.writing():
                queue.skip(store, n, who)
                deeds.note(store, who, DeedKind.SKIPPED, call=n)

        await self._stores.write(skip)
        raise web.HTTPSeeOther("/queue")

    async def _undo(self, request: web.Request) -> web.Response:
        session, _ = await self._access.form(request, Role.MARKING)
        who = session.person.name
        await self._stores.write(lambda store: marks.undo(store, who))
        self._effects.more()
        raise web.HTTPSeeOther("/queue")
