"""What the voices say: the openings of robocalls and of telephone menus, one a line.

``scripts/en.txt`` and its neighbours were written for this project (CC0). A line's number is its
id (``made_en_017``), the same for every engine, so that a split can hold a text out whoever
speaks it: add lines at the end, and never move one.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources

from training.corpora.errors import CorpusError

FOLDER = resources.files("training.corpora") / "scripts"


@dataclass(frozen=True)
class Script:
    """Words to speak, or a prompt that was spoken already."""

    id: str
    text: str
    """The words; of a prompt, the file that holds them."""


@cache
def load(language: str) -> tuple[Script, ...]:
    """Return the scripts in a language (ISO 639-1).

    Raises CorpusError if there are none.
    """
    file = FOLDER / f"{language}.txt"
    if not file.is_file():
        raise CorpusError(f"no scripts are written in {language!r}")
    lines = file.read_text(encoding="utf-8").splitlines()
    return tuple(Script(f"made_{language}_{i:03d}", line) for i, line in enumerate(lines))
