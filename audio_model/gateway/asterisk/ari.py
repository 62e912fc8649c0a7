"""Asterisk's REST Interface: hear a copy of a caller's audio while the call goes on unaltered.

The dialplan says ``Stasis(audio-model)``. For each channel that comes so, a snoop channel is made
of what the caller says. It goes to the dialplan's context ``audio-model-snoop``, whose extension is
the id of the call, and sends its audio from there with ``AudioSocket()``. The caller's channel goes
on in the dialplan; all of that takes some 20 ms. Without this server ``Stasis()`` returns at once.
Source: Asterisk documentation, "ARI", "Channels REST API" (snoop, continue).

ARI's own way, an AudioSocket channel (externalMedia) in a bridge with the snoop channel, is not
taken. Asterisk may begin to read from such a channel although nothing has come, and holds its lock
until something does: no channel can be made meanwhile, so all its calls wait (asterisk/asterisk
issues 2078 and 2089; two calls of fifty with Asterisk 22.10).

When a call was heard, its snoop channel is hung up; while the caller sends no audio at all,
Asterisk lets it linger until there is some or the call ends (asterisk/asterisk issue 978).

A channel that is back in the dialplan can be hung up, but ARI sets variables of channels in Stasis
alone; so they become shared variables, which the dialplan reads as ``${SHARED(AMDSTATUS)}``.
"""

import asyncio
import logging
import random
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

import aiohttp
import msgspec

from audio_model.gateway.asterisk.action import Action, asks_to_hang_up, variables_to_set
from audio_model.gateway.events import CallInfo, Event, EventKind

logger = logging.getLogger(__name__)

APPLICATION = "audio-model"

CONTEXT = "audio-model-snoop"
"""The dialplan's context that sends a snoop channel's audio here."""

REQUEST_SECONDS = 2.0
CONNECT_SECONDS = 3.0
"""The audio of a snoop channel comes within this time or never: Asterisk tries for two seconds."""
FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS = 0.5, 30.0
HEARTBEAT_SECONDS = 10.0

MAX_SNOOPS = 10_000
"""Calls heard at once; beyond them channels go on unheard."""

_OURS = "audio-model-"
"""Ids of the channels that are made here begin so."""

_GONE = (404, 409)
"""Answers about a channel that has ended, or has left ``Stasis()`` by itself."""

_ATTEMPTS = 3
"""Attempts at a request that lets a caller go on or ends a channel."""


class _CallerId(msgspec.Struct):
    number: str = ""


class _Dialplan(msgspec.Struct):
    exten: str = ""


class _Channel(msgspec.Struct):
    id: str
    name: str = ""
    caller: _CallerId = msgspec.field(default_factory=_CallerId)
    dialplan: _Dialplan = msgspec.field(default_factory=_Dialplan)


class _Message(msgspec.Struct):
    type: str = ""
    channel: _Channel | None = None


@dataclass(frozen=True)
class _Snoop:
    call_id: str
    channel: _Channel
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once its snoop channel is in Stasis, and can be sent on."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once its audio has come, or once it is taken down."""

    @property
    def channel_id(self) -> str:
        return f"{_OURS}{self.call_id}"


class Ari:
    """Snoops on the channels that enter ``Stasis(audio-model)``.

    Made and used in the event loop's thread. :meth:`add` is a listener of
    :class:`audio_model.gateway.calls.Calls`; :meth:`describe` tells the AudioSocket listener whose
    connection it has.
    """

    def __init__(self, host: str, port: int, user: str, password: str, action: Action) -> None:
        """Connect to the REST interface and stay connected."""
        self._where = f"{host}:{port}"
        self._action = action
        self._session = aiohttp.ClientSession(
            f"http://{self._where}",
            headers={"Authorization": aiohttp.encode_basic_auth(user, password)},
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
        )
        self._snoops: dict[str, _Snoop] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.connected = False
        """Whether Asterisk lets it serve its application."""
        self._task = asyncio.create_task(self._stay_connected())

    def describe(self, call_id: str) -> CallInfo | None:
        """Return the facts about a call whose audio has come by AudioSocket; None for others."""
        snoop = self._snoops.get(call_id)
        if snoop is None:
            return None
        snoop.settled.set()
        channel = snoop.channel
        ids = {"channel": channel.name, "channel_id": channel.id}
        return CallInfo(call_id, "audiosocket", channel.caller.number, channel.dialplan.exten, ids)

    def add(self, event: Event) -> None:
        """Tell Asterisk of an event, if it concerns one of the calls that are heard this way."""
        snoop = self._snoops.get(event.call.id)
        if snoop is None:
            return
        if asks_to_hang_up(self._action, event):
            self._start(self._free("DELETE", f"channels/{snoop.channel.id}"))
        if variables := variables_to_set(self._action, event):
            self._start(self._share(snoop.channel, variables))
        if event.kind is EventKind.FINAL:
            self._take_down(snoop)

    async def close(self) -> None:
        """Take down all snoop channels and end the session."""
        self._task.cancel()
        for snoop in list(self._snoops.values()):
            self._take_down(snoop)
        await asyncio.gather(self._task, *self._tasks, return_exceptions=True)
        await self._session.close()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except (aiohttp.ClientError, TimeoutError) as error:
            logger.warning("ARI at %s: %s", self._where, str(error) or "timed out")

    # Events

    async def _stay_connected(self) -> None:
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                async with self._session.ws_connect(
                    "/ari/events", params={"app": APPLICATION}, heartbeat=HEARTBEAT_SECONDS
                ) as socket:
                    logger.info("ARI at %s: Stasis(%s) is served", self._where, APPLICATION)
                    wait = FIRST_WAIT_SECONDS
                    self.connected = True
                    async for message in socket:
                        if message.type is aiohttp.WSMsgType.TEXT:
                            self._hear(message.data)
                logger.warning("ARI at %s: the connection was closed", self._where)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                logger.warning("ARI at %s: %s", self._where, str(error) or "timed out")
            finally:
                self.connected = False
            # Many servers must not reconnect to one Asterisk at the same moment.
            await asyncio.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, MAX_WAIT_SECONDS)

    def _hear(self, text: str) -> None:
        try:
            message = msgspec.json.decode(text, type=_Message)
        except msgspec.DecodeError as error:
            logger.warning("ARI at %s: not an event: %s", self._where, error)
            return
        channel = message.channel
        if channel is None:
            return
        if message.type != "StasisStart":
            return
        if not channel.id.startswith(_OURS):
            self._start(self._snoop(channel))
        elif (snoop := self._snoops.get(channel.id.removeprefix(_OURS))) is not None:
            snoop.entered.set()

    # A call

    async def _snoop(self, channel: _Channel) -> None:
        snoop = _Snoop(str(uuid4()), channel)
        try:
            if len(self._snoops) >= MAX_SNOOPS:
                logger.warning("ARI: %d calls are heard, one goes on unheard", MAX_SNOOPS)
                return
            self._snoops[snoop.call_id] = snoop
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._set_up(snoop)
        except (aiohttp.ClientError, TimeoutError):
            self._take_down(snoop)
            raise
        finally:
            # Heard or not, the call goes on.
            await self._free("POST", f"channels/{channel.id}/continue")
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                await snoop.settled.wait()
        if not snoop.settled.is_set():
            logger.warning(
                "ARI at %s: no audio of %s came; has extensions.conf the context %s?",
                self._where,
                channel.name,
                CONTEXT,
            )
            self._take_down(snoop)

    async def _set_up(self, snoop: _Snoop) -> None:
        spy = {"app": APPLICATION, "snoopId": snoop.channel_id, "spy": "in"}
        await self._post(f"channels/{snoop.channel.id}/snoop", spy)
        await snoop.entered.wait()
        where = {"context": CONTEXT, "extension": snoop.call_id, "priority": "1"}
        await self._post(f"channels/{snoop.channel_id}/continue", where)

    def _take_down(self, snoop: _Snoop) -> None:
        if self._snoops.pop(snoop.call_id, None) is not None:
            snoop.settled.set()
            self._start(self._free("DELETE", f"channels/{snoop.channel_id}"))

    async def _share(self, channel: _Channel, variables: Mapping[str, str]) -> None:
        for name, value in variables.items():
            shared = {"variable": f"SHARED({name},{channel.name})", "value": value}
            await self._post("asterisk/variable", shared)

    # Requests

    async def _post(self, path: str, params: Mapping[str, str]) -> None:
        async with self._session.post(f"/ari/{path}", params=params) as response:
            response.raise_for_status()

    async def _free(self, method: str, path: str) -> None:
        """End a resource or let a caller go on, unless that has happened by itself.

        A request that Asterisk leaves without an answer, or answers with an error of its own, is
        made again: nothing else would ever free the caller or end the channel.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._session.request(method, f"/ari/{path}") as response:
                    if response.status not in _GONE:
                        response.raise_for_status()
                    return
            except (aiohttp.ClientError, TimeoutError) as error:
                refused = isinstance(error, aiohttp.ClientResponseError) and error.status < 500
                if refused or attempt == _ATTEMPTS:
                    raise
