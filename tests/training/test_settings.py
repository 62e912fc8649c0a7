"""What TOML has for a setting fits its type, or the message says what is expected."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from audio_model.errors import UsageError
from training.settings import from_dict


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Part:
    size: float
    name: str = ""


@dataclass(frozen=True)
class Whole:
    paths: tuple[Path, ...]
    names: tuple[str, ...] = ()
    pair: tuple[float, float] = (0.0, 1.0)
    parts: tuple[Part, ...] = ()
    part: Part = Part(1.0)
    number: int = 1
    sure: bool = False
    beds: Path | None = None
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    colour: Colour = Colour.RED


def test_toml_becomes_the_types_of_the_fields() -> None:
    given = {
        "paths": ["a"],
        "pair": [1, 2.5],
        "parts": [{"size": 1}],
        "groups": {"g": ["x", "y"]},
        "colour": "red",
    }
    read = from_dict(Whole, given, (Colour,))
    assert read == Whole(
        (Path("a"),), (), (1.0, 2.5), (Part(1.0),), groups={"g": ("x", "y")}, colour=Colour.RED
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"paths": "a.csv"}, "paths: 'a.csv' is not a list of paths"),
        ({"paths": [3]}, "paths: [3] is not a list of paths"),
        ({"names": "abc"}, "names: 'abc' is not a list of texts"),
        ({"pair": [1, "x"]}, "pair: [1, 'x'] is not a list of 2 numbers"),
        ({"parts": {"size": 1}}, "parts: {'size': 1} is not a list of tables"),
        ({"parts": [{"size": "x"}]}, "parts.size: [{'size': 'x'}] is not a number"),
        ({"part": 3}, "part: 3 is not a table"),
        ({"part": {"size": "x"}}, "part.size: 'x' is not a number"),
        ({"number": 3.5}, "number: 3.5 is not a whole number"),
        ({"number": True}, "number: True is not a whole number"),
        ({"sure": "yes"}, "sure: 'yes' is not true or false"),
        ({"beds": 3}, "beds: 3 is not a path"),
        ({"groups": ["a"]}, "groups: ['a'] is not a table"),
        ({"part": {}}, "part.size is missing"),
        ({"colours": "red", "b": 1}, "no setting has the name b, colours"),
        ({"part": {"size": 1, "sise": 2}}, "no setting has the name part.sise"),
        ({"parts": [{"size": 1}, {"z": 1, "y": 1}]}, "no setting has the name parts.y, parts.z"),
    ],
)
def test_a_wrong_value_is_told_with_what_is_expected(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        from_dict(Whole, {"paths": [], **given}, (Colour,))
    assert str(refused.value) == said
