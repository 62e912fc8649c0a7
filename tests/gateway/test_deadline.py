"""A leg is told in time that its time is up, and waits for a first voice no longer than it may."""

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from audio_model.gateway.deadline import (
    LEAD_SECONDS,
    LEAD_SHARE,
    LOOK_SECONDS,
    MAX_AHEAD_SHARE,
    READ_SECONDS,
    TOGETHER_SECONDS,
    Deadline,
)
from tests.gateway.clock import Clock, run_by_clock

SECONDS = 4.0
WAIT_SECONDS = 10.0
LEAD = LEAD_SECONDS


@dataclass
class Machine:
    """Stands for the engine: how far it is behind is set by the test."""

    rest: float = 0.0
    behind: bool = False
    late: float = 0.0

    def ahead(self) -> float:
        return self.late


@dataclass(eq=False)
class Told:
    """Stands for a leg, and notes when it is told that its time is up."""

    stream: Any = field(default_factory=lambda: SimpleNamespace(follower=None))
    at: list[float] = field(default_factory=list)
    seconds_received: float = 1.0

    def time_is_up(self) -> None:
        self.at.append(asyncio.get_running_loop().time())


def told_at(seconds: float) -> Any:
    """Return what equals a time at which a leg may be told to be told by ``seconds``."""
    return pytest.approx(seconds - TOGETHER_SECONDS / 2, abs=TOGETHER_SECONDS / 2 + 1e-3)


def play(scene: Callable[[Deadline, Told, Machine, Clock], Coroutine[Any, Any, None]]) -> None:
    async def main(clock: Clock) -> None:
        leg, machine = Told(), Machine()
        await scene(
            Deadline(leg, machine, clock.time(), SECONDS, WAIT_SECONDS), leg, machine, clock
        )

    run_by_clock(main)


def test_a_leg_is_told_a_moment_before_the_deadline() -> None:
    async def scene(deadline: Deadline, leg: Told, machine: Machine, clock: Clock) -> None:
        await asyncio.sleep(20)
        assert leg.at == [told_at(SECONDS - LEAD)]
        assert deadline.has_come and deadline.answer_by == pytest.approx(SECONDS, abs=1e-3)
        assert LEAD < LEAD_SHARE * SECONDS
        # Of a short deadline it is a share.
        short = Told()
        began = clock.time()
        Deadline(short, machine, began, 0.2, 0.0)
        await asyncio.sleep(20)
        assert short.at == [told_at(began + 0.2 * (1 - LEAD_SHARE))]

    play(scene)


def test_a_leg_without_audio_is_told_once_its_socket_was_read() -> None:
    async def scene(deadline: Deadline, leg: Told, machine: Machine, clock: Clock) -> None:
        leg.seconds_received = 0.0
        await asyncio.sleep(1)
        clock.hold_up(SECONDS)
        held_until = clock.time()
        await asyncio.sleep(READ_SECONDS / 2)
        assert not leg.at
        await asyncio.sleep(1)
        assert leg.at == [pytest.approx(held_until + READ_SECONDS, abs=1e-3)]

    play(scene)


def test_it_is_put_off_by_its_length_until_the_wait_is_over() -> None:
    async def scene(deadline: Deadline, leg: Told, machine: Machine, clock: Clock) -> None:
        for due in (SECONDS, 2 * SECONDS):
            await asyncio.sleep(due - clock.time())
            assert leg.at[-1] == told_at(due - LEAD)
            assert deadline.put_off(due) and not deadline.has_come
        await asyncio.sleep(20)
        assert leg.at[2:] == [told_at(WAIT_SECONDS - LEAD)]
        assert not deadline.put_off(WAIT_SECONDS) and deadline.has_come
        # Nor for what is left by a rounding.
        rounded = Deadline(leg, machine, clock.time(), 0.1, 0.2 + 1e-9)
        assert rounded.put_off(0) and not rounded.put_off(0)

    play(scene)


@pytest.mark.parametrize("voice_at, moved", [(0.0, False), (3.0, True), (11.0, False)])
def test_it_counts_from_a_first_voice_that_is_in_time(voice_at: float, moved: bool) -> None:
    async def scene(deadline: Deadline, leg: Told, machine: Machine, clock: Clock) -> None:
        assert deadline.awaits_voice
        before = deadline.answer_by
        await asyncio.sleep(voice_at + 0.5)
        deadline.voice_began(voice_at, voice_at + 0.5)
        assert not deadline.awaits_voice
        due = before + moved * voice_at
        assert deadline.answer_by == pytest.approx(due, abs=1e-3)
        leg.at.clear()
        await asyncio.sleep(20)
        assert leg.at == ([told_at(due - LEAD)] if due > voice_at else [])
        assert not deadline.put_off(20)

    play(scene)


def test_a_voice_came_before_the_rest_of_its_connection_and_not_before_the_leg() -> None:
    async def scene(deadline: Deadline, leg: Told, machine: Machine, clock: Clock) -> None:
        machine.rest = 0.2
        await asyncio.sleep(3)
        deadline.voice_began(2.0, 2.5)
        assert deadline.answer_by == pytest.approx(3 - 0.2 - 0.5 + SECONDS, abs=1e-3)
        # Audio that came faster than it was spoken.
        deadline.voice_began(2.0, 8.0)
        assert deadline.answer_by == pytest.approx(SECONDS, abs=1e-3)

    play(scene)


def test_what_came_before_it_was_read_counts_from_its_place_in_the_audio() -> None:
    async def scene(deadline: Deadline, leg: Told, machine: Machine, clock: Clock) -> None:
        machine.rest, machine.behind = 0.2, True
        await asyncio.sleep(3)
        deadline.voice_began(1.5, 1.6)
        assert deadline.answer_by == pytest.approx(1.5 + SECONDS, abs=1e-3)

    play(scene)


def test_a_machine_that_is_behind_waits_for_no_voice_in_what_it_has_not_read() -> None:
    async def scene(deadline: Deadline, leg: Told, machine: Machine, clock: Clock) -> None:
        await asyncio.sleep(SECONDS)
        machine.behind = True
        assert not deadline.put_off(SECONDS - 1)
        assert deadline.has_come
        # What it has read was no voice.
        assert deadline.put_off(SECONDS - 0.1)

    play(scene)


@pytest.mark.parametrize("late", [0.1, 0.5, 100.0])
def test_a_machine_that_is_behind_is_told_earlier_within_bounds(late: float) -> None:
    async def scene(deadline: Deadline, leg: Told, machine: Machine, clock: Clock) -> None:
        machine.late = late
        await asyncio.sleep(SECONDS)
        ahead = min(late, MAX_AHEAD_SHARE * SECONDS)
        assert leg.at == [told_at(SECONDS - LEAD - ahead)]

    play(scene)


def test_a_voice_that_is_heard_after_the_leg_was_told_gives_it_time() -> None:
    async def scene(deadline: Deadline, leg: Told, machine: Machine, clock: Clock) -> None:
        await asyncio.sleep(SECONDS - 0.1)
        assert len(leg.at) == 1 and deadline.has_come
        deadline.voice_began(3.0, clock.time())
        assert not deadline.has_come
        await asyncio.sleep(20)
        assert leg.at[1:] == [told_at(3 + SECONDS - LEAD)]
        assert deadline.has_come

    play(scene)


def test_a_leg_that_is_heard_anew_waits_for_a_voice_again() -> None:
    async def scene(deadline: Deadline, leg: Told, machine: Machine, clock: Clock) -> None:
        await asyncio.sleep(2)
        deadline.voice_began(2.0, clock.time())
        deadline.begin()
        assert deadline.awaits_voice and deadline.answer_by == pytest.approx(SECONDS, abs=1e-3)
        await asyncio.sleep(20)
        assert leg.at == [told_at(SECONDS - LEAD)]

    play(scene)


def test_legs_of_about_one_moment_are_told_together() -> None:
    async def scene(deadline: Deadline, leg: Told, machine: Machine, clock: Clock) -> None:
        turns: list[int] = []
        legs = []
        for n in range(20):
            legs.append(Told())
            Deadline(legs[-1], machine, n * TOGETHER_SECONDS / 5, SECONDS, 0.0)
        while not all(each.at for each in legs):
            await asyncio.sleep(TOGETHER_SECONDS / 10)
            turns.append(sum(bool(each.at) for each in legs))
        assert len(set(turns)) <= 6

    play(scene)


def test_calls_heard_before_are_looked_at_ahead_of_time() -> None:
    async def scene(deadline: Deadline, leg: Told, machine: Machine, clock: Clock) -> None:
        looked: list[float] = []
        leg.stream.follower = SimpleNamespace(look_ahead=lambda: looked.append(clock.time()))
        await asyncio.sleep(SECONDS)
        assert looked == [told_at(SECONDS - LEAD - LOOK_SECONDS)]
        assert leg.at == [told_at(SECONDS - LEAD)]

    play(scene)


def test_a_leg_that_was_answered_is_let_go_of_and_not_told() -> None:
    async def scene(deadline: Deadline, leg: Told, machine: Machine, clock: Clock) -> None:
        answered = Told()
        its = Deadline(answered, machine, clock.time(), SECONDS, WAIT_SECONDS)
        leg_lives = weakref.ref(answered)
        its.end()
        await asyncio.sleep(20)
        assert not answered.at
        gc.disable()
        try:
            del answered
            assert leg_lives() is None
        finally:
            gc.enable()
        # The engine may still look when it was due.
        assert its.answer_by == pytest.approx(SECONDS, abs=1e-3)

    play(scene)
