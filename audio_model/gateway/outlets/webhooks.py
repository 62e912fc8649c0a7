"""Verdicts by webhook: signed, retried, and never in anybody's way.

The receiver verifies a request so:

    fields = dict(f.split("=", 1) for f in headers["X-Audio-Model-Signature"].split(","))
    expected = hmac.new(secret, fields["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    recent = abs(time.time() - int(fields["t"])) < 300
    genuine = recent and hmac.compare_digest(expected, fields["v1"])

An event may come more than once: its ``Idempotency-Key`` is then the same. Of a leg's events a
later one may overtake one that had to be sent again; ``time`` tells. Any 2xx answer is thanks;
408, 425, 429, 5xx, no answer and no connection are tried again, other answers, redirects among
them, are not.
"""

import asyncio
import hmac
import logging
import random
import time
import uuid
from collections import deque
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

import aiohttp

from audio_model.gateway.config.values import Secret
from audio_model.gateway.events import Event, EventKind
from audio_model.gateway.outlets.metrics import Metrics

logger = logging.getLogger(__name__)

SIGNATURE_HEADER = "X-Audio-Model-Signature"
MAX_WAITING = 1000
WORKERS = 8
ATTEMPT_SECONDS = 5.0
FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 60.0

_RETRIED = frozenset({408, 425, 429})


class Delivery(StrEnum):
    """What became of an event, or of one attempt (RETRIED)."""

    DELIVERED = "delivered"
    RETRIED = "retried"
    REFUSED = "refused"
    """The receiver said that it doesn't want it."""
    GIVEN_UP = "given_up"
    DROPPED = "dropped"
    """Too many were waiting, or the server stopped before its turn."""


class Webhooks:
    """Posts VERDICT and FINAL events, and other JSON; used in the event loop's thread alone."""

    def __init__(
        self,
        url: str,
        secret: Secret,
        metrics: Metrics,
        *,
        retries: int,
        max_waiting: int = MAX_WAITING,
        first_wait_seconds: float = FIRST_WAIT_SECONDS,
        attempt_seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        self._url, self._secret, self._metrics = url, secret, metrics
        self._retries, self._max_waiting = retries, max_waiting
        self._first_wait_seconds = first_wait_seconds
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=attempt_seconds),
            # A receiver's cookies would tie events to each other.
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._more = asyncio.Event()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]

    def __len__(self) -> int:
        return len(self._waiting) + self._under_way

    def add(self, event: Event, body: bytes) -> None:
        """Have an event posted, if it is one to act on."""
        if event.kind is not EventKind.PROGRESS:
            self.post(body)

    def post(self, body: bytes) -> None:
        """Have JSON posted; the oldest one waiting is dropped if too many are."""
        if len(self._waiting) >= self._max_waiting:
            self._waiting.popleft()
            self._count(Delivery.DROPPED)
        self._waiting.append((uuid.uuid4().hex, body))
        self._idle.clear()
        self._more.set()

    async def close(self, within: float) -> None:
        """Post what is waiting, for at most so many seconds; count the rest as dropped."""
        try:
            async with asyncio.timeout(within):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("%d webhook events were not delivered before the end", len(self))
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._metrics.webhooks.labels(Delivery.DROPPED).inc(len(self))
        self._waiting.clear()
        await self._session.close()

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                self._more.clear()
                await self._more.wait()
            key, body = self._waiting.popleft()
            self._under_way += 1
            outcome = await self._deliver(key, body)
            self._under_way -= 1
            self._count(outcome)
            if len(self) == 0:
                self._idle.set()

    async def _deliver(self, key: str, body: bytes) -> Delivery:
        for attempt in range(self._retries + 1):
            answer = await self._attempt(key, body)
            if isinstance(answer, Delivery):
                return answer
            if attempt == self._retries:
                break
            self._count(Delivery.RETRIED)
            # Full jitter on the upper half: receivers that come back aren't met by all at once.
            wait = self._first_wait_seconds * 2**attempt * random.uniform(0.5, 1)
            await asyncio.sleep(min(max(wait, answer), MAX_WAIT_SECONDS))
        logger.warning("the webhook failed %d times; its event is given up", self._retries + 1)
        return Delivery.GIVEN_UP

    async def _attempt(self, key: str, body: bytes) -> Delivery | float:
        """An outcome that holds, or the seconds for which the receiver asks us to wait."""
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
            return Delivery.DELIVERED
        if status in _RETRIED or status >= 500:
            return _seconds(after)
        logger.warning("the webhook refused an event: HTTP %d", status)
        return Delivery.REFUSED

    def _count(self, outcome: Delivery) -> None:
        self._metrics.webhooks.labels(outcome).inc()


def signature(secret: Secret, body: bytes, now: int) -> str:
    """The value of SIGNATURE_HEADER for a body sent at ``now``, in seconds since 1970."""
    digest = hmac.new(secret.bytes, b"%d." % now + body, "sha256").hexdigest()
    return f"t={now},v1={digest}"


def _seconds(retry_after: str) -> float:
    """Of a Retry-After: seconds or a date (RFC 9110, 10.2.3); 0 for none."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
