"""The other processes of this port, as this one reaches them."""

import asyncio
import logging
from collections.abc import Mapping
from time import monotonic

import aiohttp
import msgspec
from aiohttp import web

from audio_model.errors import UsageError, os_error_as, printable
from audio_model.gateway.outlets.history import CallHistory
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.gateway.siblings.answers import RECORDS, Answers, Readiness, packed, query_of
from audio_model.gateway.siblings.exposition import labelled
from audio_model.gateway.siblings.journal import Journal
from audio_model.gateway.siblings.seats import Seats, folder_of
from audio_model.gateway.tally import Tally

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
"""After so long one that was killed does not count any more, and one that began does."""
ANSWER_SECONDS = 1.0
"""For a sibling to answer: one that hangs holds a request up for so long."""
WARN_SECONDS = 60.0
CALLS_A_PIECE = 200
"""Calls in a piece of history that is handed over: so few that nobody waits for long."""

READ_BYTES = 1 << 20
"""More than an event's JSON ever takes."""

FAILURES = (aiohttp.ClientError, OSError, TimeoutError)


class Siblings:
    """The other processes of this port. :meth:`join` makes it; only the loop's thread uses it."""

    def __init__(self, host: str, port: int, answers: Answers, tally: Tally) -> None:
        """Take a seat. Raises UsageError if there is none, or no place to meet."""
        self._where = host, port
        self._answers, self._tally = answers, tally
        self._seats = Seats(folder_of(host, port))
        tally.share(self._seats)
        self._journal = self._begin_journal()
        self._handed_over = True
        """Whether nobody has to find what this process knows."""
        self._clients: dict[int, aiohttp.ClientSession] = {}
        self._runner: web.AppRunner | None = None
        self._watch: asyncio.Task[None] | None = None
        self._warned_at = -WARN_SECONDS

    @classmethod
    async def join(cls, host: str, port: int, answers: Answers, tally: Tally) -> "Siblings":
        """Take a seat among the processes of a port, and answer them. Raises UsageError."""
        siblings = cls(host, port, answers, tally)
        await siblings._adopt()
        await siblings._answer()
        # They are to count what is open here from the first call on.
        await siblings._ask("/look", {})
        siblings._watch = asyncio.create_task(siblings._keep_looking())
        return siblings

    @property
    def number(self) -> int:
        """Return which one of the processes this is."""
        return self._seats.number

    @property
    def others(self) -> tuple[int, ...]:
        """Return the numbers of the other processes that live."""
        return self._seats.others

    def client(self, number: int) -> aiohttp.ClientSession:
        """Return the client of a sibling's routes."""
        if number not in self._clients:
            path = str(self._seats.socket_of(number))
            # Another process may have the seat by the next time.
            connector = aiohttp.UnixConnector(path, force_close=True, limit=0)
            self._clients[number] = aiohttp.ClientSession(
                "http://sibling", connector=connector, read_bufsize=READ_BYTES
            )
        return self._clients[number]

    async def recent(
        self, limit: int, tenant: str | None
    ) -> tuple[list[CallHistory], tuple[int, ...]]:
        """Return the latest calls of each sibling, and the numbers of those that don't answer."""
        return await self._records("/recent", query_of(tenant, limit=str(limit)))

    async def find(
        self, call_id: str, tenant: str | None
    ) -> tuple[list[CallHistory], tuple[int, ...]]:
        """Return what each sibling knows of a call, and the numbers of those that don't answer."""
        return await self._records("/call", query_of(tenant, id=call_id))

    async def metrics(self, own: Metrics) -> bytes:
        """Return the metrics of all processes that answer."""
        answers = await self._ask("/metrics", {})
        texts = {number: body for number, body in answers.items() if body is not None}
        texts[self.number] = own.text()
        return labelled({n: text.decode() for n, text in sorted(texts.items())}).encode()

    async def readiness(self) -> dict[int, Readiness | None]:
        """Return the readiness of each sibling, None for one that doesn't answer."""
        answers = await self._ask("/ready", {})
        return {
            number: None if body is None else msgspec.json.decode(body, type=Readiness)
            for number, body in answers.items()
            # One that has just taken its seat takes no calls yet.
            if body is not None or self._seats.socket_of(number).exists()
        }

    async def hand_over(self, records: list[CallHistory]) -> None:
        """Leave the records of calls to a sibling that goes on."""
        self._look()
        self._handed_over = not self.others
        for number in self.others:
            try:
                for first in range(0, len(records), CALLS_A_PIECE):
                    piece = packed(records[first : first + CALLS_A_PIECE])
                    async with (
                        asyncio.timeout(ANSWER_SECONDS),
                        self.client(number).post("/history", data=piece) as response,
                    ):
                        response.raise_for_status()
                self._handed_over = True
                return
            except FAILURES as error:
                self._warn(number, error)

    async def close(self) -> None:
        """Answer no more, and leave."""
        if self._watch is not None:
            self._watch.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        for client in self._clients.values():
            await client.close()
        self._journal.close(keep=not self._handed_over)
        self._seats.leave()

    def _begin_journal(self) -> Journal:
        """Begin to write down calls. Raises UsageError if that can't be done."""
        seats, history = self._seats, self._answers.history
        try:
            journal = history.journal = Journal(seats.folder, seats.number)
        except OSError as error:
            where = printable(seats.folder)
            raise UsageError(f"--reuse-port: {where}: {error.strerror or error}") from error
        for record in history.recent(None):
            journal.write(record)
        return journal

    async def _adopt(self) -> None:
        """Take over the calls of processes that were killed."""
        try:
            if not self._journal.orphans(self.others):
                return
            files = self._journal.adopt()
            while (records := await asyncio.to_thread(next, files, None)) is not None:
                logger.info("%d records of a process that was killed are kept here", len(records))
                for first in range(0, len(records), CALLS_A_PIECE):
                    piece = records[first : first + CALLS_A_PIECE]
                    self._answers.history.take(piece, written=True)
                    await asyncio.sleep(0)
        except OSError as error:
            self._warn_of(f"the calls of a process that was killed can't be read: {error}")

    async def _answer(self) -> None:
        path = self._seats.socket_path
        self._runner = web.AppRunner(
            self._answers.application(self._look),
            access_log=None,
            shutdown_timeout=ANSWER_SECONDS,
        )
        await self._runner.setup()
        with os_error_as(UsageError, f"--reuse-port: {path}"):
            path.unlink(missing_ok=True)
            await web.UnixSite(self._runner, path).start()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._seats.lost:
                try:
                    await self._join_again()
                except (OSError, UsageError) as error:
                    self._warn_of(f"the processes of this port can't be found: {error}")
            self._look()
            await self._adopt()

    def _look(self) -> None:
        try:
            self._seats.look()
        except OSError as error:
            # Who was there is taken to be there still.
            self._warn_of(f"the processes of this port can't be found: {error}")

    async def _join_again(self) -> None:
        """Take another seat: somebody deleted the folder."""
        seats = Seats(folder_of(*self._where))
        self._warn_of("the folder of the processes of this port was deleted, and is there again")
        if self._runner is not None:
            await self._runner.cleanup()
        for client in self._clients.values():
            await client.close()
        self._clients = {}
        self._journal.close(keep=False)
        self._seats.leave()
        self._seats = seats
        self._tally.share(seats)
        self._journal = self._begin_journal()
        await self._answer()

    async def _records(
        self, path: str, query: Mapping[str, str]
    ) -> tuple[list[CallHistory], tuple[int, ...]]:
        answers = await self._ask(path, query)
        found = [
            record
            for body in answers.values()
            if body is not None
            for record in RECORDS.decode(body)
        ]
        return found, tuple(number for number, body in answers.items() if body is None)

    async def _ask(self, path: str, query: Mapping[str, str]) -> dict[int, bytes | None]:
        """Ask all siblings at once; None stands for one that doesn't answer."""
        others = self.others
        answers = await asyncio.gather(*(self._ask_one(each, path, query) for each in others))
        if None in answers:
            # One that has ended meanwhile is not asked any more, and nobody waits for it.
            self._look()
        return {
            number: answer
            for number, answer in zip(others, answers, strict=True)
            if answer is not None or number in self.others
        }

    async def _ask_one(self, number: int, path: str, query: Mapping[str, str]) -> bytes | None:
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self.client(number).get(path, params=query) as response,
            ):
                response.raise_for_status()
                return await response.read()
        except FAILURES as error:
            logger.debug("process %d of this port does not answer: %r", number, error)
            return None

    def _warn(self, number: int, error: Exception) -> None:
        self._warn_of(f"process {number} of this port does not answer: {error!r}")

    def _warn_of(self, text: str) -> None:
        # Many requests must not fill the log.
        if monotonic() - self._warned_at >= WARN_SECONDS:
            self._warned_at = monotonic()
            logger.warning("%s", text)
