"""What can go wrong while a corpus is made."""

from audio_model.errors import AudioModelError


class CorpusError(AudioModelError):
    """An engine, a package or a corpus can't be used. The message says what to do."""
