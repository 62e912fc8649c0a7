import re
from pathlib import Path

from audio_model.desk.layout import text
from audio_model.ranges.breaker import Why
from audio_model.ranges.numbers import Flag, NumberKind
from audio_model.ranges.tree import State
from audio_model.records import mark_statistics, priority, statistics
from audio_model.records.deeds import DeedKind
from audio_model.records.marks import Said
from audio_model.records.periods import Unit
from audio_model.tables.results import Outcome

DESK = Path(__file__).parents[2] / "audio_model" / "desk"


def test_every_name_of_a_closed_set_has_its_text() -> None:
    names = {
        *(each.value for kind in (State, Said, Unit, Outcome) for each in kind),
        *(f"did_{each}" for each in DeedKind),
        *(f"why_{each}" for each in (*Why, *priority.QueueReason)),
        *(f"kind_{each}" for each in NumberKind),
        *(f"flag_{each}" for each in Flag),
        *(
            f"column_{name}"
            for columns in (
                *(statistics.PERIOD_COLUMNS, statistics.SEGMENT_COLUMNS),
                *(statistics.CAMPAIGN_COLUMNS, mark_statistics.MARK_COLUMNS),
                mark_statistics.SOURCE_COLUMNS,
            )
            for name in columns
        ),
    }
    assert names - text.table.keys() == set()


def test_every_text_is_in_both_languages_with_the_same_names_in_it() -> None:
    for key, each in text.table.items():
        assert each.en and each.zh, key
        names = [set(re.findall(r"{(\w+)}", one)) for one in (each.en, each.zh)]
        assert names[0] == names[1], key


def test_no_text_is_left_over() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in DESK.glob("*.py"))
    made = ("why_", "did_", "kind_", "flag_", "reason_", "column_", "nav_", "campaign_", "stands_")
    closed = {each.value for kind in (State, Said, Unit, Outcome) for each in kind}
    left = {
        key
        for key in text.table
        if f'"{key}"' not in source and not key.startswith(made) and key not in closed
    }
    assert left == set()
