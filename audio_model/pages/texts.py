"""Texts of pages in every language that they have."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import resources


@dataclass(frozen=True)
class Text:
    """One text in English and in Chinese."""

    en: str
    zh: str

    def format(self, **values: "str | int | Text") -> "Text":
        """Fill in the text's ``{names}``, in each language by its own values."""
        return Text(
            self.en.format(**{name: _in(value, "en") for name, value in values.items()}),
            self.zh.format(**{name: _in(value, "zh") for name, value in values.items()}),
        )


def joined(texts: Iterable[Text]) -> Text:
    """Return several texts as one, with commas between them."""
    parts = list(texts)
    return Text(", ".join(each.en for each in parts), "\uff0c".join(each.zh for each in parts))


class Texts:
    """The texts of a package, by their keys in its ``texts.toml``."""

    def __init__(self, package: str) -> None:
        self._package = package

    def __call__(self, key: str, **values: str | int | Text) -> Text:
        """Return the text of a key, its ``{names}`` filled in."""
        return self.table[key].format(**values)

    @cached_property
    def table(self) -> dict[str, Text]:
        """Return all texts by their keys."""
        file = resources.files(self._package).joinpath("texts.toml")
        source = tomllib.loads(file.read_text(encoding="utf-8"))
        return {key: Text(**languages) for key, languages in source.items()}


def _in(value: str | int | Text, language: str) -> str:
    if isinstance(value, Text):
        return str(getattr(value, language))
    return f"{value:,}" if isinstance(value, int) else value
