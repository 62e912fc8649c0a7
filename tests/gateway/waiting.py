"""Tests that wait in the event loop, and not for ever."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; TimeoutError after half a minute."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test that is a coroutine; TimeoutError after a minute."""

    async def within() -> None:
        async with asyncio.timeout(60):
            await test

    asyncio.run(within())
