"""The texts of the page of ranges."""

from audio_model.pages.texts import Texts

text = Texts(__package__)
"""The text of a key in this folder's ``texts.toml``."""
