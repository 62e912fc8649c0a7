"""The routes of figures: the page, and each table as CSV."""

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta, tzinfo

from aiohttp import web

from audio_model.desk.access import Session, SessionGuard
from audio_model.desk.answers import csv_file, html
from audio_model.desk.layout import View
from audio_model.desk.masks import mask_text
from audio_model.desk.statistics_page import Asked, statistics_page
from audio_model.desk.stores import Stores
from audio_model.records import call_columns, statistics
from audio_model.records.periods import Unit, periods
from audio_model.records.store import CallStore
from audio_model.times import utc

_SHOWN_MONTHS, _SHOWN_WEEKS, _SHOWN_DAYS = 366, 12 * 7, 30
_TABLES = ("by_period", "by_segment", "by_campaign", "by_mark", "by_source")


class MonthRoutes:
    """The figures of a month."""

    def __init__(
        self,
        stores: Stores,
        access: SessionGuard,
        view: Callable[[Session], View],
        zone: tzinfo,
        zone_name: str,
    ) -> None:
        self._stores, self._access, self._view = stores, access, view
        self._zone, self._zone_name = zone, zone_name

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_get("/statistics", self._page)
        router.add_get("/statistics/{name}.csv", self._csv)

    async def _page(self, request: web.Request) -> web.Response:
        session = await self._access.session(request)
        asked, figures = await self._count(request)
        return html(statistics_page(self._view(session), asked, figures, self._zone_name))

    async def _csv(self, request: web.Request) -> web.Response:
        session = await self._access.session(request)
        name = request.match_info["name"]
        if name not in _TABLES:
            raise web.HTTPNotFound
        _, figures = await self._count(request)
        text = figures.tables[_TABLES.index(name)].csv(self._zone)
        # With a mark, so that spreadsheets read Chinese.
        shown = "\ufeff" + (mask_text(text) if session.hides else text)
        return csv_file(f"{name}.csv", shown.encode())

    async def _count(self, request: web.Request) -> tuple[Asked, statistics.StoreStatistics]:
        query = request.query
        unit = Unit(query["unit"]) if query.get("unit") in list(Unit) else Unit.MONTH
        span = await self._stores.read(statistics.span)
        to = _day(query.get("to", "")) or self._day_of(time.time() if span is None else span.end)
        shown = {Unit.DAY: _SHOWN_DAYS, Unit.WEEK: _SHOWN_WEEKS, Unit.MONTH: _SHOWN_MONTHS}[unit]
        since = _day(query.get("from", "")) or self._earliest(to, shown, span)
        if since > to:
            since, to = to, since
        all_periods = periods(_noon(since, self._zone), _noon(to, self._zone), unit, self._zone)
        opened = await self._stores.ranges(statistics.openings_of) or []

        def count(store: CallStore) -> statistics.StoreStatistics:
            call_columns.refresh(store)
            with store.reading():
                return statistics.count_all(store, all_periods, opened, unit, self._zone)

        asked = Asked(unit, since.isoformat(), to.isoformat())
        return asked, await self._stores.count(count)

    def _earliest(self, to: date, shown: int, span: statistics.Span | None) -> date:
        """Return the first day to show: so many before the last call, if there were calls."""
        days = timedelta(days=shown - 1)
        if span is None:
            return to - days
        last = min(self._day_of(span.last), to)
        return min(max(last - days, self._day_of(span.first)), to)

    def _day_of(self, moment: float) -> date:
        return utc(moment).astimezone(self._zone).date()


def _day(value: str) -> date | None:
    try:
        found = date.fromisoformat(value)
    except ValueError:
        return None
    return found if 1980 <= found.year <= 2200 else None


def _noon(day: date, zone: tzinfo) -> float:
    return datetime(day.year, day.month, day.day, 12, tzinfo=zone).timestamp()
