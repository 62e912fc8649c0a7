"""Numbers are consecutive, with gaps where audio is lost and nowhere else."""

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from audio_model.gateway.dialects.numbers import PacketNumbers

MS = 20.0


def numbers_of(packets: Sequence[tuple[int | None, int | None]]) -> list[int]:
    numbers = PacketNumbers()
    given = [numbers.number(chunk, timestamp, MS) for chunk, timestamp in packets]
    return [number - given[0] for number in given]


def test_a_count_orders() -> None:
    chunks = [1, 2, 4, 3, 3, 5, 8]
    assert numbers_of([(chunk, 20 * chunk) for chunk in chunks]) == [0, 1, 3, 2, 2, 4, 7]


def test_without_a_count_the_order_of_arrival() -> None:
    assert numbers_of([(None, None)] * 4) == [0, 1, 2, 3]


def test_lost_by_the_timestamp_alone() -> None:
    assert numbers_of([(1, 0), (2, 20), (3, 80), (4, 100), (5, 140)]) == [0, 1, 4, 5, 7]


def test_lost_by_both_is_counted_once() -> None:
    assert numbers_of([(1, 100), (2, 120), (5, 180), (6, 240)]) == [0, 1, 4, 7]


def test_timestamps_cut_to_whole_milliseconds() -> None:
    numbers = PacketNumbers()
    packet_ms = 1000 * 160 / 11025
    chunks = [chunk for chunk in range(200) if chunk not in (50, 51, 120)]
    given = [
        numbers.number(count, int(chunk * packet_ms), packet_ms)
        for count, chunk in enumerate(chunks, 1)
    ]
    assert [number - given[0] for number in given] == chunks


@given(st.lists(st.integers(0, 18), min_size=2, max_size=200))
def test_jitter_of_less_than_a_packet_makes_nothing_up(late: list[int]) -> None:
    packets = [(n + 1, 20 * n + jitter) for n, jitter in enumerate(late)]
    assert numbers_of(packets) == list(range(len(late)))


@given(st.lists(st.integers(0, 200), min_size=2, max_size=300))
def test_jitter_makes_up_no_more_than_its_largest_value(late: list[int]) -> None:
    numbers = numbers_of([(n + 1, 1000 + 20 * n + jitter) for n, jitter in enumerate(late)])
    assert all(b > a for a, b in itertools.pairwise(numbers))
    assert numbers[-1] - (len(late) - 1) <= 200 / MS


@given(st.sampled_from([40, 160, 320, 20_000, 1_000_000]), st.integers(1, 500))
def test_timestamps_of_another_unit_are_passed_over(step: int, n_packets: int) -> None:
    numbers = numbers_of([(n, step * n) for n in range(n_packets)])
    assert numbers[-1] - (n_packets - 1) <= 12


def both_tracks(chunks: list[tuple[str, int]]) -> list[int]:
    numbers = PacketNumbers()
    given = []
    for track, chunk in chunks:
        if track == "in":
            given.append(numbers.number(chunk, None, MS))
        else:
            numbers.other_track(chunk)
    return [number - given[0] for number in given]


def test_two_tracks_with_a_count_each() -> None:
    for order in (("in", "out"), ("out", "in")):
        chunks = [(track, chunk) for chunk in range(1, 9) for track in order]
        assert both_tracks(chunks) == list(range(8))


def test_two_tracks_with_one_count() -> None:
    for order in (("in", "out"), ("out", "in"), ("in", "out", "out")):
        chunks = list(zip(itertools.islice(itertools.cycle(order), 24), range(1, 25), strict=True))
        ours = sum(track == "in" for track, _ in chunks)
        assert both_tracks(chunks) == list(range(ours))


def test_a_second_track_that_begins_later() -> None:
    ours = [("in", chunk) for chunk in range(1, 50)]
    apart = [*ours, ("out", 1), ("in", 50), ("out", 2), ("in", 52)]
    assert both_tracks(apart)[-3:] == [48, 49, 51]
    together = [*ours, ("out", 50), ("in", 51), ("out", 52), ("in", 53)]
    assert both_tracks(together)[-3:] == [48, 49, 50]


counts = st.none() | st.integers(0, 2**53)


@given(st.lists(st.tuples(st.booleans(), counts, counts, st.floats(0, 1e6)), max_size=60))
def test_anything_gives_whole_numbers(packets: list[tuple[bool, int, int, float]]) -> None:
    numbers = PacketNumbers()
    for ours, chunk, timestamp, packet_ms in packets:
        if ours:
            assert isinstance(numbers.number(chunk, timestamp, packet_ms), int)
        else:
            numbers.other_track(chunk)
