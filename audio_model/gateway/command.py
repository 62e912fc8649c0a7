"""``audio-model serve``: live calls, from their gateways to their verdicts."""

import argparse

from audio_model.commands import needing_extra
from audio_model.gateway.config.settings import add_arguments
from audio_model.gateway.config.texts import DESCRIPTION, EPILOG

__all__ = ["DESCRIPTION", "EPILOG", "add_arguments", "run"]

_EXTRA = ("aiohttp", "uvloop", "msgspec", "prometheus_client")


def run(arguments: argparse.Namespace) -> int:
    """Serve and return the exit status. Raises AudioModelError for settings that can't work."""
    with needing_extra("serve", "gateway", _EXTRA):
        from audio_model.gateway.main import main
    return main(arguments)
