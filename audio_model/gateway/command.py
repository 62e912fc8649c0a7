"""``audio-model serve``: live calls, from their gateways to their verdicts."""

import argparse

from audio_model.errors import UsageError
from audio_model.gateway.config.settings import add_arguments
from audio_model.gateway.config.texts import DESCRIPTION, EPILOG

__all__ = ["DESCRIPTION", "EPILOG", "add_arguments", "run"]

_EXTRA = ("aiohttp", "uvloop", "msgspec", "prometheus_client")


def run(arguments: argparse.Namespace) -> int:
    """Serve and return the exit status. Raises AudioModelError for settings that can't work."""
    try:
        from audio_model.gateway.main import main
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        raise UsageError(
            f'serve needs {error.name}, which is not installed: pip install "audio-model[gateway]"'
        ) from error
    return main(arguments)
