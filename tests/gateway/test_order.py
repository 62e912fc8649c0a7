"""Packets out of order are put in order; what is lost becomes silence of its length."""

from hypothesis import given
from hypothesis import strategies as st

from audio_model.gateway.order import MAX_AHEAD, MAX_GAP, MAX_SILENCE_BYTES, PacketOrder

SILENCE = b"\xff"


def packet(number: int) -> bytes:
    return bytes([number % 200]) * 4


def put_all(numbers: list[int], silence: bytes = SILENCE) -> tuple[bytes, PacketOrder]:
    order = PacketOrder(silence)
    heard = [part for number in numbers for part in order.put(number, packet(number))]
    return b"".join([*heard, *order.rest()]), order


def all_of(numbers: range) -> bytes:
    return b"".join(map(packet, numbers))


def test_packets_in_order_pass_at_once() -> None:
    order = PacketOrder(SILENCE)
    for number in range(70_000, 70_100):
        assert list(order.put(number, packet(number))) == [packet(number)]


@given(start=st.integers(-(2**40), 2**40), data=st.data())
def test_late_within_reach_and_doubled_changes_nothing(start: int, data: st.DataObject) -> None:
    numbers = list(range(start, start + 40))
    for place in data.draw(st.lists(st.integers(1, 38), unique=True, max_size=6)):
        later = data.draw(st.integers(place, min(39, place + 2)))
        numbers.insert(later, numbers.pop(place))
    doubled = [copy for number in numbers for copy in [number] * data.draw(st.integers(1, 2))]
    # The first packet tells where numbers begin, so it stays first.
    doubled.sort(key=lambda number: number != start)
    heard, order = put_all(doubled)
    assert heard == all_of(range(start, start + 40))
    assert order.lost == 0
    assert order.dropped == len(doubled) - 40


@given(st.lists(st.integers(0, 2 * MAX_GAP), max_size=100))
def test_what_passes_need_not_be_put(numbers: list[int]) -> None:
    order = PacketOrder(SILENCE)
    heard = []
    for number in numbers:
        if order.passes(number):
            heard.append(packet(number))
        else:
            heard += order.put(number, packet(number))
    all_put, other = put_all(numbers)
    assert b"".join([*heard, *order.rest()]) == all_put
    assert (order.lost, order.dropped) == (other.lost, other.dropped)


def test_lost_packets_become_silence() -> None:
    heard, order = put_all([5, 6, 9, *range(10, 40)])
    assert heard == packet(5) + packet(6) + SILENCE * 8 + all_of(range(9, 40))
    assert order.lost == 2


def test_a_loss_delays_no_longer_than_the_reach() -> None:
    order = PacketOrder(SILENCE)
    list(order.put(0, packet(0)))
    for number in range(2, 2 + MAX_AHEAD):
        assert list(order.put(number, packet(number))) == []
    at_last = b"".join(order.put(2 + MAX_AHEAD, packet(2 + MAX_AHEAD)))
    assert at_last == SILENCE * 4 + all_of(range(2, 3 + MAX_AHEAD))
    assert list(order.put(1, packet(1))) == []
    assert order.dropped == 1


def test_a_jump_is_a_new_numbering() -> None:
    heard, order = put_all([1, 2, 4 + MAX_GAP, 5 + MAX_GAP, 1, 2])
    assert heard == all_of(range(1, 3)) + all_of(range(4 + MAX_GAP, 6 + MAX_GAP)) + all_of(
        range(1, 3)
    )
    assert order.lost == 0


def test_silence_of_two_bytes_stays_whole() -> None:
    heard, _ = put_all([0, 2], silence=b"\x01\x02")
    assert heard == packet(0) + b"\x01\x02" * 2 + packet(2)


@given(numbers=st.lists(st.integers(-(2**70), 2**70) | st.integers(0, 120), max_size=300))
def test_nothing_grows_whatever_comes(numbers: list[int]) -> None:
    order = PacketOrder(SILENCE)
    for number in numbers:
        made = b"".join(order.put(number, packet(number)))
        assert len(made) <= 4 * (MAX_AHEAD + MAX_GAP + 2)
        assert len(order._ahead) <= MAX_AHEAD


def test_huge_packets_make_no_huge_silence() -> None:
    order = PacketOrder(SILENCE)
    list(order.put(0, b"x"))
    assert list(order.put(40, b"x" * 250_000)) == []
    silence, packet = order.rest()
    assert silence == SILENCE * MAX_SILENCE_BYTES
    assert len(packet) == 250_000
