"""Tests that wait for what they await, on a machine however busy, and not for ever."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


async def until(condition: Callable[..., object]) -> None:
    """Wait until a condition holds; TimeoutError after a minute."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


def hold_until(condition: Callable[..., object]) -> None:
    """Wait where no event loop runs, as :func:`until` does."""
    asyncio.run(until(condition))


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test that is a coroutine; TimeoutError after two minutes."""

    async def within() -> None:
        async with asyncio.timeout(120):
            await test

    asyncio.run(within())
