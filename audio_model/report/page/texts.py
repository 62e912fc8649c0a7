"""The texts of the pages, in every language that they speak."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Text:
    """One text in English and in Chinese."""

    en: str
    zh: str

    def format(self, **values: "str | int | Text") -> "Text":
        """The text with its ``{names}`` filled in, each language with its own."""
        return Text(
            self.en.format(**{name: _in(value, "en") for name, value in values.items()}),
            self.zh.format(**{name: _in(value, "zh") for name, value in values.items()}),
        )


def text(key: str, **values: str | int | Text) -> Text:
    """The text of a key in ``texts.toml``."""
    return _table()[key].format(**values)


def _in(value: str | int | Text, language: str) -> str:
    if isinstance(value, Text):
        return str(getattr(value, language))
    return f"{value:,}" if isinstance(value, int) else value


@cache
def _table() -> dict[str, Text]:
    source = resources.files(__package__).joinpath("texts.toml").read_text(encoding="utf-8")
    return {key: Text(**languages) for key, languages in tomllib.loads(source).items()}
