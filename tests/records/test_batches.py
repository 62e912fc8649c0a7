import time

import pytest

from audio_model.records.batches import PAUSE_SECONDS, ROWS, batches


def test_rows_come_in_their_order_with_a_pause_between_two_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    found = list(batches(range(2 * ROWS + 1)))
    assert pauses == [PAUSE_SECONDS] * 2
    assert [len(each) for each in found] == [ROWS, ROWS, 1]
    assert [row for each in found for row in each] == list(range(2 * ROWS + 1))
    assert list(batches(())) == []
