import os
import signal
from collections.abc import Iterator

import pytest

from audio_model.batch.stopping import Stopped, StopSignals


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_work_at_hand_ends_and_no_more_is_begun(number: signal.Signals) -> None:
    done = []
    with StopSignals() as stop:
        for item in stop.until_stopped(range(10)):
            if item == 3:
                send(number)
            done.append(item)
    assert done == [0, 1, 2, 3]
    assert stop.exit_code == 128 + number


def test_waiting_for_the_next_item_is_cut_short() -> None:
    def items() -> Iterator[int]:
        yield 1
        send(signal.SIGINT)
        pytest.fail("went on")

    with StopSignals() as stop:
        assert list(stop.until_stopped(items())) == [1]


def test_a_second_signal_stops_at_once() -> None:
    with StopSignals() as stop, pytest.raises(Stopped):
        for _ in stop.until_stopped(range(10)):
            send(signal.SIGINT)
            send(signal.SIGINT)
            pytest.fail("went on")


def test_what_may_be_cut_short_is_not_begun_after_a_signal() -> None:
    with StopSignals() as stop:
        send(signal.SIGTERM)
        with pytest.raises(Stopped), stop.raising():
            pytest.fail("begun")


def test_without_a_signal_all_is_done_and_the_handlers_return() -> None:
    former = signal.getsignal(signal.SIGINT)
    with StopSignals() as stop:
        assert list(stop.until_stopped("abc")) == ["a", "b", "c"]
        assert signal.getsignal(signal.SIGINT) != former
    assert stop.exit_code == 0
    assert signal.getsignal(signal.SIGINT) == former
