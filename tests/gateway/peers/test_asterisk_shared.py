"""A real Asterisk with the example's dialplan and several processes on one port."""

import asyncio
import re
import signal
from collections.abc import Callable

import pytest

from tests.gateway.peers import asterisk
from tests.gateway.peers.asterisk import Asterisk
from tests.gateway.peers.test_asterisk import recording, run, until
from tests.gateway.peers.test_asterisk_freed import start
from tests.gateway.process import ServerProcess

pytestmark = asterisk.NEEDS_ASTERISK

N_CALLS = 8


def statuses(pbx: Asterisk) -> list[str]:
    """AMDSTATUS of each call, as its dialplan found it."""
    return re.findall(r'NoOp\("[^"]*", "(\S*) [^"]*"\)', pbx.said())


@pytest.mark.parametrize("to", ["audiosocket", "websocket"])
def test_each_call_has_its_variables_whichever_process_hears_it_and_through_a_restart(
    to: str, pbx: Asterisk, serve: Callable[..., ServerProcess]
) -> None:
    played = recording(pbx, "recorded-prompt-en.wav")

    def shared() -> ServerProcess:
        return start(lambda *flags: serve("--reuse-port", *flags), pbx, to)

    first, second = shared(), shared()

    async def test() -> None:
        for _ in range(N_CALLS):
            pbx.call(played.path, f"{to}@audio-model")
        await until(lambda: len(statuses(pbx)) == N_CALLS, 20)
        assert statuses(pbx) == ["MACHINE"] * N_CALLS
        assert {call["finished"] for call in second.calls()} == {True}
        assert len(second.calls()) == N_CALLS
        # Another one takes the place of the first, which answers the calls that it has.
        for _ in range(N_CALLS // 2):
            pbx.call(played.path, f"{to}@audio-model")
        await asyncio.sleep(0.5)
        third = await asyncio.to_thread(shared)
        first.process.send_signal(signal.SIGTERM)
        for _ in range(N_CALLS // 2):
            pbx.call(played.path, f"{to}@audio-model")
        await until(lambda: len(statuses(pbx)) == 2 * N_CALLS, 20)
        assert statuses(pbx) == ["MACHINE"] * 2 * N_CALLS
        assert await asyncio.to_thread(first.process.wait, 20) == 0
        # It has left the others what it knew.
        assert len(third.calls()) == 2 * N_CALLS

    run(test())
