"""The desk's own server: started, and stopped so that no mark is lost."""

import asyncio
import signal
import sys
from dataclasses import dataclass
from datetime import tzinfo
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

from audio_model.desk.app import Desk
from audio_model.desk.stores import Places, Stores
from audio_model.detector import Detector
from audio_model.errors import UsageError, os_error_as, printable


@dataclass(frozen=True)
class Options:
    """How a desk is served."""

    calls: str
    ranges: str | None
    known: str | None
    host: str
    port: int
    origin: str
    zone: tzinfo
    zone_name: str

    def __post_init__(self) -> None:
        """Raise UsageError for options that would send tokens over a network that others read."""
        origin = urlsplit(self.origin)
        if self.origin and (origin.scheme not in ("http", "https") or origin.path or origin.query):
            raise UsageError(f"--origin must be a scheme and a host, not {printable(self.origin)}")
        if not _is_here(self.host) and origin.scheme != "https":
            raise UsageError(
                f"--host {printable(self.host)} lets other machines in: put a proxy with TLS "
                "before the desk, and give its address as --origin https://..."
            )


async def serve(options: Options, detector: Detector) -> None:
    """Serve until SIGINT or SIGTERM. Raises StoreError, and UsageError for a port that is taken."""
    stores = Stores(Places(options.calls, options.ranges, options.known))
    desk = Desk(stores, detector, options.zone, options.zone_name, options.origin)
    runner = web.AppRunner(desk.application(), access_log=None)
    await runner.setup()
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, ending.set)
    try:
        site = web.TCPSite(runner, options.host, options.port)
        with os_error_as(UsageError, f"can't listen on {options.host}:{options.port}"):
            await site.start()
        host, port = runner.addresses[0][:2]
        print(f"the desk is at {options.origin or f'http://{host}:{port}'}", file=sys.stderr)
        await ending.wait()
    finally:
        await runner.cleanup()


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
