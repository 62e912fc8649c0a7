"""Verdicts by webhook: signed, retried, and never in anybody's way.

The receiver verifies a request so:

    fields = dict(f.split("=", 1) for f in headers["X-Audio-Model-Signature"].split(","))
    expected = hmac.new(secret, fields["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    recent = abs(time.time() - int(fields["t"])) < 300
    genuine = recent and hmac.compare_digest(expected, fields["v1"])

An event may come more than once: its ``Idempotency-Key`` is then the same. Verdicts go before the
final events that only repeat them; where both wait, the final one alone is sent. Of a leg's events
a later one may overtake one that had to be sent again; ``time`` tells. Any 2xx answer is thanks;
404 (of a proxy whose receiver is being replaced), 408, 425, 429, 5xx, no answer and no connection
are tried again. Other answers, redirects among them, are not.

A receiver that asks for it (``--webhook-batch``) is sent several events at once:
``{"event": "batch", "keys": [...], "events": [...]}``, the most pressing first, and each with the
key that it keeps however often it is sent. What fails is tried again together. Of a batch that is
refused each event is sent again, in a batch of its own.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import random
import time
import uuid
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from time import monotonic

import aiohttp

from audio_model.gateway.config.values import Secret
from audio_model.gateway.events import Event, EventKind
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.gateway.outlets.spool import Spool
from audio_model.gateway.outlets.waiting import Waiting, WaitingRoom

logger = logging.getLogger(__name__)

SIGNATURE_HEADER = "X-Audio-Model-Signature"
MAX_WAITING = 10_000
"""Events that wait, about a kilobyte each; beyond them those are lost that nobody acts on."""
CONNECTIONS = 64
"""Requests at once: 800 a second into a receiver that takes 80 ms."""
MAX_BATCH_BYTES = 500_000
"""Keeps a batch small enough for receivers, which often take a megabyte at most."""
GATHER_SECONDS = 0.1
"""Events wait so long for others of their batch, while it is not full."""
ATTEMPT_SECONDS = 5.0
FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 60.0
MAX_DOUBLINGS = 10
SPOOLED_SECONDS = 86_400.0
"""How long an event that is kept on disk is tried again."""

_RETRIED = frozenset({404, 408, 425, 429})


class Delivery(StrEnum):
    """The outcome for an event, or for one attempt (RETRIED)."""

    DELIVERED = "delivered"
    RETRIED = "retried"
    REFUSED = "refused"
    """The receiver said that it doesn't want it."""
    GIVEN_UP = "given_up"
    DROPPED = "dropped"
    """Too many were waiting, or the server stopped before its turn."""


class Webhooks:
    """Posts VERDICT and FINAL events, and other JSON; used in the event loop's thread alone.

    Requests are made side by side, as many as there is something to post, up to a limit. One that
    failed waits for its next attempt without holding a place.
    """

    def __init__(
        self,
        url: str,
        secret: Secret,
        metrics: Metrics,
        *,
        retries: int,
        connections: int = CONNECTIONS,
        batch: int = 1,
        spool: Spool | None = None,
        max_waiting: int = MAX_WAITING,
        first_wait_seconds: float = FIRST_WAIT_SECONDS,
        attempt_seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        """Begin to post events.

        Args:
            retries: further attempts when one fails.
            connections: requests at once, at most.
            batch: events in a request, at most; 1 for none in batches.
            spool: keeps events on disk until they are delivered, and has those of servers that are
                gone. With it an event is tried again for a day.
        """
        self._spool = spool
        self._url, self._secret, self._metrics = url, secret, metrics
        self._retries, self._connections, self._batch = retries, connections, batch
        self._gathering: asyncio.TimerHandle | None = None
        self._first_wait_seconds = first_wait_seconds
        self._loop = asyncio.get_running_loop()
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=attempt_seconds),
            connector=aiohttp.TCPConnector(limit=connections),
            # A receiver's cookies would tie events to each other.
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._room = WaitingRoom(max_waiting, None if spool is None else self._keep)
        self._workers: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._under_way = self._requests = 0
        """Events that are being posted, and in how many requests."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = self._refuses = False
        metrics.watch_webhooks(self)
        for left in () if spool is None else spool.left():
            self._added(self._room.put(Waiting(left.key, left.body.encode(), left.urgent)))

    def change(self, url: str, secret: Secret, retries: int) -> None:
        """Use this address and key from now on, for events that wait already, too."""
        self._url, self._secret, self._retries = url, secret, retries

    def __len__(self) -> int:
        return len(self._room) + self._under_way

    def oldest_seconds(self) -> float:
        """Return for how many seconds the oldest event has waited."""
        return self._room.oldest(monotonic())

    def add(self, event: Event, body: bytes) -> None:
        """Post an event, if it is one to act on."""
        if event.kind is not EventKind.PROGRESS:
            self._added(self._room.add(event, uuid.uuid4().hex, body))

    def post(self, body: bytes) -> None:
        """Post JSON that somebody acts on."""
        self._added(self._room.put(Waiting(uuid.uuid4().hex, body, urgent=True)))

    async def close(self, within: float) -> None:
        """Post what is waiting, for at most so many seconds; count the rest as dropped."""
        self._start(gathered=True)
        try:
            async with asyncio.timeout(within):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("%d webhook events were not delivered before the end", len(self))
        self._closed = True
        for timer in (self._alarm, self._gathering):
            if timer is not None:
                timer.cancel()
        workers = list(self._workers)
        n_lost = len(self)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        if self._spool is None:
            self._metrics.webhooks.labels(Delivery.DROPPED).inc(n_lost)
        else:
            self._spool.close()
        self._room.clear()
        await self._session.close()

    def _keep(self, waiting: Waiting) -> None:
        assert self._spool is not None
        self._spool.add(waiting.key, waiting.body, urgent=waiting.urgent)

    def _over(self, waiting: Waiting, outcome: Delivery) -> None:
        """Forget an event that needs no more posting."""
        self._count(outcome)
        if self._spool is not None:
            self._spool.done(waiting.key)

    def _gives_up(self, waiting: Waiting) -> bool:
        if self._spool is None:
            return waiting.attempts > self._retries
        return monotonic() - waiting.since > SPOOLED_SECONDS

    def _added(self, lost: Waiting | None) -> None:
        if lost is not None:
            self._over(lost, Delivery.DROPPED)
        self._idle.clear()
        self._start()

    def _start(self, *, gathered: bool = False) -> None:
        """Let requests be made, as many as what waits fills, as far as there are places.

        ``gathered``: what fills none has waited for others long enough.
        """
        if self._closed:
            return
        wanted, rest = divmod(self._room.n_ready, self._batch)
        if rest and gathered:
            wanted += 1
        elif rest and self._gathering is None:
            self._gathering = self._loop.call_later(GATHER_SECONDS, self._gathered)
        # Those under way are busy for as long as the receiver takes.
        while (
            len(self._workers) - self._requests < wanted and len(self._workers) < self._connections
        ):
            self._request()

    def _request(self) -> None:
        worker = self._loop.create_task(self._work())
        self._workers.add(worker)
        worker.add_done_callback(self._ended)

    def _gathered(self) -> None:
        self._gathering = None
        self._start(gathered=True)

    async def _work(self) -> None:
        while together := self._room.batch(monotonic(), self._batch, MAX_BATCH_BYTES):
            self._under_way += len(together)
            self._requests += 1
            try:
                answer = await self._attempt(together)
            finally:
                self._under_way -= len(together)
                self._requests -= 1
            self._answered(together, answer)

    def _answered(self, together: list[Waiting], answer: Delivery | float) -> None:
        if answer is Delivery.REFUSED and len(together) > 1:
            # One that the receiver can't take must not take the others with it.
            for waiting in together:
                waiting.alone = True
                self._again(waiting, monotonic())
            return
        # Full jitter on the upper half: receivers that come back aren't met by all at once.
        doubled = min(together[0].attempts, MAX_DOUBLINGS)
        wait = self._first_wait_seconds * 2**doubled * random.uniform(0.5, 1)
        for waiting in together:
            waiting.attempts += 1
            if isinstance(answer, Delivery):
                self._over(waiting, answer)
                if answer is Delivery.DELIVERED:
                    kind = "urgent" if waiting.urgent else "other"
                    self._metrics.webhook_age.labels(kind).observe(monotonic() - waiting.since)
            elif self._gives_up(waiting):
                logger.warning(
                    "the webhook failed %d times; an event is given up", waiting.attempts
                )
                self._over(waiting, Delivery.GIVEN_UP)
            else:
                self._count(Delivery.RETRIED)
                self._again(waiting, monotonic() + min(max(wait, answer), MAX_WAIT_SECONDS))
        if len(self) == 0:
            self._idle.set()

    def _again(self, waiting: Waiting, at: float) -> None:
        if (lost := self._room.again(waiting, at)) is not None:
            self._over(lost, Delivery.DROPPED)

    def _ended(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        # An event that came while it ended has found it still there.
        self._start()
        self._wake_later()

    def _wake_later(self) -> None:
        """Wake up when an event is to be tried again, unless a request's end comes before."""
        due_at = self._room.due_at()
        if due_at is None or self._closed or self._workers:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_later(max(0.0, due_at - monotonic()) + 0.001, self._wake)

    def _wake(self) -> None:
        self._alarm = None
        # A request that finds nothing to post after all ends, and sets the alarm anew.
        self._request()

    async def _attempt(self, together: list[Waiting]) -> Delivery | float:
        """Return the outcome, or the seconds for which the receiver asks us to wait."""
        key, body = together[0].key, together[0].body
        if self._batch > 1:
            key, body = _batched(together)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            SIGNATURE_HEADER: signature(self._secret, body, int(time.time())),
            "User-Agent": "audio-model",
        }
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                status, after = response.status, response.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.info("the webhook failed: %s: %s", type(error).__name__, error)
            return 0.0
        if 200 <= status < 300:
            self._refuses = False
            return Delivery.DELIVERED
        if status in _RETRIED or status >= 500:
            return _seconds(after)
        if not self._refuses:
            # Once: a receiver that is gone for good refuses hundreds a second.
            self._refuses = True
            logger.warning("the webhook refuses events: HTTP %d; more are only counted", status)
        return Delivery.REFUSED

    def _count(self, outcome: Delivery) -> None:
        self._metrics.webhooks.labels(outcome).inc()


def _batched(together: list[Waiting]) -> tuple[str, bytes]:
    """Return the key and the body of a batch."""
    keys = [waiting.key for waiting in together]
    events = b",".join(waiting.body for waiting in together)
    body = b'{"event":"batch","keys":%s,"events":[%s]}' % (json.dumps(keys).encode(), events)
    return hashlib.sha256("".join(keys).encode()).hexdigest(), body


def signature(secret: Secret, body: bytes, now: int) -> str:
    """Return the value of SIGNATURE_HEADER for a body sent at ``now``, in seconds since 1970."""
    digest = hmac.new(secret.bytes, b"%d." % now + body, "sha256").hexdigest()
    return f"t={now},v1={digest}"


def _seconds(retry_after: str) -> float:
    """Return the seconds of a Retry-After, a number or a date (RFC 9110, 10.2.3); 0 for none."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
