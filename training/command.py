"""What the commands on a finished run share: their arguments, and errors in one line."""

import argparse
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from audio_model.errors import AudioModelError


def run_command(
    name: str,
    description: str | None,
    arguments: list[str] | None,
    action: Callable[[Namespace], None],
    *,
    needs_config: bool = True,
) -> int:
    """Parse ``RUN [--config FILE]``, act, and return the exit status, 2 after an error."""
    parser = argparse.ArgumentParser(
        prog=f"python -m training.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="folder that training.train made")
    if needs_config:
        parser.add_argument("--config", type=Path, required=True, help="TOML file of the run")
    return status_of(action, parser.parse_args(arguments))


def status_of(action: Callable[[Namespace], None], options: Namespace) -> int:
    """Act, and return the exit status: 2 after an error, which is told in one line."""
    try:
        action(options)
    except AudioModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
