"""Tests that wait in the event loop, and not for ever."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; TimeoutError after five seconds."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test that is a coroutine; TimeoutError after ten seconds."""

    async def within() -> None:
        async with asyncio.timeout(10):
            await test

    asyncio.run(within())
