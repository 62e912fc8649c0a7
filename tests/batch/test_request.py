from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audio_model.batch.request import RunRequest
from audio_model.errors import UsageError
from audio_model.tables.writers import OutputFormat

ASKED = RunRequest(
    paths=("/calls",),
    model="0a1b",
    max_false_alarm=0.01,
    channel="mix",
    max_seconds=None,
    raw=None,
    format=OutputFormat.PARQUET,
    shard_size=2000,
)
FORMER: dict[str, object] = {
    "paths": ["/calls"],
    "model": "0a1b",
    "max_false_alarm": 0.01,
    "channel": "mix",
    "max_seconds": None,
    "raw": None,
    "format": ".parquet",
    "shard_size": 2000,
}


def test_the_same_goes_on() -> None:
    ASKED.check_same(FORMER, Path("out"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paths": ("/calls", "/more")}, 'PATH was ["/calls"], now ["/calls", "/more"]'),
        ({"model": "ffff"}, '--model was "0a1b", now "ffff"'),
        ({"max_false_alarm": 0.02}, "--max-false-alarm was 0.01, now 0.02"),
        ({"channel": "each"}, '--channel was "mix", now "each"'),
        ({"max_seconds": 3.0}, "--max-seconds was not given, now 3.0"),
        ({"raw": "alaw 8000 1"}, "was not given, now"),
        ({"format": OutputFormat.CSV}, '--format was ".parquet", now ".csv"'),
        ({"shard_size": 5}, "--shard-size was 2000, now 5"),
    ],
)
def test_each_difference_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(ASKED, **change).check_same(FORMER, Path("out"))
    assert message in str(caught.value)
    assert str(caught.value).count(" was ") == 2  # the run's beginning, and one difference


def test_a_difference_that_is_long_is_cut() -> None:
    with pytest.raises(UsageError) as caught:
        replace(ASKED, paths=("/x",) * 1000).check_same(FORMER, Path("out"))
    assert len(str(caught.value)) < 600
