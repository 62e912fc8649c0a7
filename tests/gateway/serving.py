"""A server in this process, on a free port of the loopback address."""

import argparse
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import aiohttp.web

from audio_model.gateway.config import settings
from audio_model.gateway.server import Server


def settings_of(*flags: str, environ: Mapping[str, str] | None = None) -> settings.Settings:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    settings.add_arguments(parser)
    return settings.load(parser.parse_args(flags), environ or {})


@asynccontextmanager
async def listening(
    hook: Callable[[aiohttp.web.Request], Awaitable[aiohttp.web.StreamResponse]],
) -> AsyncIterator[aiohttp.web.AppRunner]:
    """Serve what webhooks are posted to; gives the runner, which has the address.

    It ends with a test that fails, too: uvloop may wait for ever for one that is left open.
    """
    application = aiohttp.web.Application()
    application.router.add_post("/", hook)
    runner = aiohttp.web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner
    finally:
        await runner.cleanup()


@dataclass
class Running:
    server: Server
    client: aiohttp.ClientSession
    """Whose URLs begin at the server."""

    @property
    def url(self) -> str:
        return self.server.addresses[0]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def metrics(self) -> dict[str, float]:
        async with self.client.get("/metrics") as response:
            lines = (await response.text()).splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}


@asynccontextmanager
async def serving(*flags: str) -> AsyncIterator[Running]:
    server = Server(settings_of("--port", "0", *flags))
    try:
        await server.start()
        async with aiohttp.ClientSession(server.addresses[0]) as client:
            yield Running(server, client)
    finally:
        await server.end(0.5)
