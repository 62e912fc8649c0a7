"""The texts of the report's pages."""

from audio_model.pages.texts import Texts

text = Texts(__package__)
"""The text of a key in this folder's ``texts.toml``."""
