import re
import tomllib
from pathlib import Path
from string import Formatter

import pytest

from audio_model.decision import Reason
from audio_model.pages.texts import Text
from audio_model.report.drift import Drift
from audio_model.report.page import texts
from audio_model.report.page.texts import text
from audio_model.tables.results import Outcome

FOLDER = Path(texts.__file__).parent
TABLE = tomllib.loads((FOLDER / "texts.toml").read_text(encoding="utf-8"))


def names(pattern: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(pattern) if name is not None}


@pytest.mark.parametrize("key", TABLE)
def test_each_text_is_there_in_both_languages(key: str) -> None:
    languages = TABLE[key]
    assert languages.keys() == {"en", "zh"}
    assert names(languages["en"]) == names(languages["zh"])
    assert languages["en"] and languages["zh"]
    # Chinese has punctuation of its own.
    assert not re.search(r"[,:;?()]", re.sub(r"\{.*?\}", "", languages["zh"]))


def test_every_text_is_used() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py"))
    computed = {f"reason_{reason}" for reason in Reason}
    computed |= {"decisions_about", "speech_about"}
    computed |= {f"drift_{name}" for name in Drift().measures}
    unused = {key for key in TABLE if f'"{key}"' not in code} - computed
    assert unused <= set(Outcome)
    assert computed - {"reason_error"} <= TABLE.keys()


def test_what_is_filled_in_is_not_read_again() -> None:
    said = text("by_column", column="{column} {0}")
    assert said == Text("By {column} {0}", "按 {column} {0}")
    assert text("bin", low="0", high="1", n=12345).en.endswith("12,345")
