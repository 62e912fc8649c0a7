import re
import unicodedata

import pytest

from training.corpora.errors import CorpusError
from training.corpora.script import load

AT_LEAST = {
    **dict.fromkeys(("en", "zh"), 150),
    **dict.fromkeys(("de", "es", "fr", "hi", "it", "ja", "pt", "ru"), 25),
    **dict.fromkeys(("ca", "cs", "fi"), 12),
}
LANGUAGES = sorted(AT_LEAST)


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_enough_scripts_and_each_is_one_clean_line(language: str) -> None:
    scripts = load(language)
    assert len(scripts) >= AT_LEAST[language]
    for script in scripts:
        assert script.text == script.text.strip()
        assert unicodedata.category(script.text[-1]) == "Po"
        assert not re.search(r"[0-9]|https?:|\s\s", script.text), script.text


def test_no_text_comes_twice() -> None:
    texts = [script.text.casefold() for language in LANGUAGES for script in load(language)]
    assert len(set(texts)) == len(texts)


def test_a_script_lasts_some_seconds() -> None:
    assert all(17 <= len(script.text.split()) <= 28 for script in load("en"))
    hanzi = [len(re.findall(r"[\u4e00-\u9fff]", script.text)) for script in load("zh")]
    assert all(25 <= n <= 45 for n in hanzi)


def test_a_script_is_known_by_its_line() -> None:
    assert [script.id for script in load("en")[:2]] == ["made_en_000", "made_en_001"]
    assert load("en")[0].text.startswith("We've been trying to reach you")


def test_a_language_without_scripts_is_named() -> None:
    with pytest.raises(CorpusError, match="'tlh'"):
        load("tlh")
