"""``serve`` as a process: its settings, its signals, and its end."""

import argparse
import asyncio
import gc
import logging
import os
import resource
import signal
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address

import uvloop

from audio_model.errors import AudioModelError
from audio_model.gateway.config import settings
from audio_model.gateway.config.settings import Access, Settings
from audio_model.gateway.outlets import logs
from audio_model.gateway.server import Server

logger = logging.getLogger(__name__)

COLLECT_AFTER = 20_000
"""Objects made and not gone yet."""


async def run(
    settings: Settings,
    told: Callable[[str], None] = print,
    read_again: Callable[[], Settings] | None = None,
) -> int:
    """Serve until a signal comes and return the exit status.

    Args:
        read_again: reads the settings anew, at SIGHUP.
        told: called with a line for each address that is listened on, and one when all are.

    Raises AudioModelError for settings that can't work.
    """
    loop = asyncio.get_running_loop()
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signals.put_nowait, number)
    server = Server(settings)
    try:
        await server.start()
    except AudioModelError:
        await server.end(0)
        raise
    reloads: set[asyncio.Task[None]] = set()

    def hang_up() -> None:
        if read_again is not None:
            task = loop.create_task(_reload(server, read_again))
            reloads.add(task)
            task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    _warn_if_open(settings)
    for address in server.addresses:
        told(f"audio-model: listening on {address}")
    told("audio-model: ready")
    await signals.get()
    logger.info("stopping: %d legs are open", server.calls.open_legs)
    stopping = asyncio.create_task(server.stop())
    again = asyncio.create_task(signals.get())
    await asyncio.wait({stopping, again}, return_when=asyncio.FIRST_COMPLETED)
    if stopping.done():
        again.cancel()
        await stopping
        return 0
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    server.calls.close()
    # The last messages are to leave before the process ends.
    await asyncio.sleep(0.05)
    return 128 + again.result()


async def _reload(server: Server, read_again: Callable[[], Settings]) -> None:
    try:
        await server.reload(read_again())
    except AudioModelError as error:
        logger.error("SIGHUP: %s; what was there before holds", error)
    except Exception:
        logger.exception("SIGHUP: the settings could not be read again")


def main(arguments: argparse.Namespace) -> int:
    """Run ``audio-model serve`` and return the exit status. Raises AudioModelError."""
    chosen = settings.load(arguments, os.environ)
    logs.set_up(chosen.records)
    _allow_many_connections()
    _collect_seldom()
    read_again = partial(settings.load, arguments, os.environ)
    return uvloop.run(run(chosen, lambda line: print(line, flush=True), read_again))


def _allow_many_connections() -> None:
    """Allow as many open files as the system permits: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _collect_seldom() -> None:
    """Look for garbage in cycles less often: each look goes through all the calls there are.

    What is imported by now is there for good, and no look goes through it again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def _warn_if_open(settings: Settings) -> None:
    host = settings.listening.host
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local and settings.access == Access():
        logger.warning("whoever reaches %s may use this server: --token-file is missing", host)
