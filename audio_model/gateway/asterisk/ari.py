"""Asterisk's REST Interface: hear a copy of a caller's audio while the call goes on unaltered.

The dialplan says ``Stasis(audio-model)``. For each channel that comes so, a snoop channel is made
of what the caller says, bridged with an AudioSocket channel to this server, and the caller's
channel goes on in the dialplan; all of that takes some 20 ms. Without this server ``Stasis()``
returns at once. Source: Asterisk documentation, "ARI", "Channels REST API" (snoop, externalMedia)
and "External Media and ARI".

When a call was heard, its snoop channel is hung up; while the caller sends no audio at all,
Asterisk lets it linger until there is some or the call ends (asterisk/asterisk issue 978).

A channel that is back in the dialplan can be hung up, but ARI sets variables of channels in Stasis
alone; so they become shared variables, which the dialplan reads as ``${SHARED(AMDSTATUS)}``.
"""

import asyncio
import logging
import random
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
import msgspec

from audio_model.gateway.asterisk.action import Action, asks_to_hang_up, variables_to_set
from audio_model.gateway.events import CallInfo, Event, EventKind

logger = logging.getLogger(__name__)

APPLICATION = "audio-model"

REQUEST_SECONDS = 2.0
FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS = 0.5, 30.0
HEARTBEAT_SECONDS = 10.0

MAX_SNOOPS = 10_000
"""Calls heard at once; beyond them channels go on unheard."""

_OURS = "audio-model-"
"""Ids of the channels that are made here begin so."""

_GONE = (404, 409)
"""Answers about a channel or a bridge that has ended, or has left ``Stasis()`` by itself."""

_ATTEMPTS = 3
"""How often a request is made that frees something in Asterisk: a caller, a channel or a bridge."""


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

    @property
    def bridge_id(self) -> str:
        return f"{_OURS}{self.call_id}"

    @property
    def media_id(self) -> str:
        return f"{_OURS}media-{self.call_id}"

    @property
    def snoop_id(self) -> str:
        return f"{_OURS}snoop-{self.call_id}"


class Ari:
    """Snoops on the channels that enter ``Stasis(audio-model)``.

    Made and used in the event loop's thread. :meth:`add` is a listener of
    :class:`audio_model.gateway.calls.Calls`; :meth:`describe` tells the AudioSocket listener whose
    connection it has.
    """

    def __init__(
        self, host: str, port: int, user: str, password: str, action: Action, *, audiosocket: str
    ) -> None:
        """Connect to the REST interface and stay connected.

        ``audiosocket`` is the HOST:PORT at which Asterisk reaches this server's AudioSocket.
        """
        self._where = f"{host}:{port}"
        self._action, self._audiosocket = action, audiosocket
        self._session = aiohttp.ClientSession(
            f"http://{self._where}",
            headers={"Authorization": aiohttp.encode_basic_auth(user, password)},
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
        )
        self._snoops: dict[str, _Snoop] = {}
        self._entered: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.connected = False
        """Whether Asterisk lets it serve its application."""
        self._task = asyncio.create_task(self._stay_connected())

    def describe(self, call_id: str) -> CallInfo | None:
        """Return the facts about a call that ARI sent to AudioSocket; None for others."""
        snoop = self._snoops.get(call_id)
        if snoop is None:
            return None
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
        if message.type == "StasisStart":
            if (entered := self._entered.get(channel.id)) is not None:
                entered.set()
            elif not channel.id.startswith(_OURS):
                self._start(self._snoop(channel))
        elif message.type in ("StasisEnd", "ChannelDestroyed"):
            self._gone(channel.id)

    def _gone(self, channel_id: str) -> None:
        call_id = channel_id.removeprefix(f"{_OURS}snoop-").removeprefix(f"{_OURS}media-")
        if call_id != channel_id and (snoop := self._snoops.get(call_id)) is not None:
            self._take_down(snoop)

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

    async def _set_up(self, snoop: _Snoop) -> None:
        await self._post("bridges", {"type": "mixing", "bridgeId": snoop.bridge_id})
        media = {
            "app": APPLICATION,
            "channelId": snoop.media_id,
            "external_host": self._audiosocket,
            "encapsulation": "audiosocket",
            "transport": "tcp",
            "format": "slin",
            "data": snoop.call_id,
        }
        await self._enter_bridge(snoop, snoop.media_id, "channels/externalMedia", media)
        spy = {"app": APPLICATION, "snoopId": snoop.snoop_id, "spy": "in"}
        await self._enter_bridge(snoop, snoop.snoop_id, f"channels/{snoop.channel.id}/snoop", spy)

    async def _enter_bridge(
        self, snoop: _Snoop, channel_id: str, path: str, params: Mapping[str, str]
    ) -> None:
        """Make a channel; once it is in Stasis it can be bridged."""
        self._entered[channel_id] = asyncio.Event()
        try:
            await self._post(path, params)
            await self._entered[channel_id].wait()
        finally:
            del self._entered[channel_id]
        await self._post(f"bridges/{snoop.bridge_id}/addChannel", {"channel": channel_id})

    def _take_down(self, snoop: _Snoop) -> None:
        if self._snoops.pop(snoop.call_id, None) is None:
            return
        for path in (
            f"channels/{snoop.snoop_id}",
            f"channels/{snoop.media_id}",
            f"bridges/{snoop.bridge_id}",
        ):
            self._start(self._free("DELETE", path))

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
