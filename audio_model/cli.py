"""The command line: find the command, parse what it takes, run it, report what was wrong."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from io import TextIOWrapper
from typing import cast

from audio_model.commands import Command, add_command, package_version, run_action
from audio_model.errors import AudioModelError, OutputError

EXIT_USAGE = 2
EXIT_NO_OUTPUT = 3
EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 130, 141
"""The statuses by which a shell reports a process that SIGINT or SIGPIPE ended."""

COMMANDS = {
    "score": (
        "audio_model.batch.command",
        "tell for each recording whether it is recorded, live or unknown",
    ),
    "report": (
        "audio_model.report.command",
        "make one page about results, with the recordings to check",
    ),
    "compare": (
        "audio_model.report.compare_command",
        "show what changed between two results, or two models",
    ),
    "join": (
        "audio_model.report.join_command",
        "join verdicts with call records and campaigns in one table",
    ),
    "serve": (
        "audio_model.gateway.command",
        "tell the same for live calls while they go on",
    ),
    "eagi": (
        "audio_model.gateway.asterisk.eagi",
        "tell the same for one call of Asterisk, as an EAGI program in place of AMD",
    ),
    "ranges": (
        "audio_model.ranges.command",
        "find the number ranges that call with recordings, mark calls, allow ranges",
    ),
    "desk": (
        "audio_model.desk.command",
        "let people listen to calls and mark them, and show the month's figures",
    ),
    "known": (
        "audio_model.known.command",
        "keep known recordings, find them again in calls, group calls by them",
    ),
    "label": (
        "audio_model.line.label_command",
        "make a manifest of the calls whose class is certain",
    ),
    "tune": (
        "audio_model.line.tune_command",
        "fit a model's scores and thresholds to your own marked calls",
    ),
    "renew": (
        "audio_model.line.renew_command",
        "tune a line's model, and replace it if the guard holds",
    ),
}
"""Each command's module, with ``DESCRIPTION``, ``EPILOG``, ``add_arguments`` and ``run``."""

DESCRIPTION = """\
Tell from the first seconds of a phone call's audio whether a recording is being played or a live
human speaks."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A path must not end a run because the terminal's encoding lacks one of its letters.
        sys.stdout.reconfigure(errors="backslashreplace")
    given = sys.argv[1:] if arguments is None else arguments
    name = next((argument for argument in given if not argument.startswith("-")), "")
    with _interrupts_end_it():
        # Only what is asked for is imported: a gateway needs no Parquet, scoring no server.
        command = import_module(COMMANDS[name][0]) if name in COMMANDS else None
    parser = argparse.ArgumentParser(
        prog="audio-model", description=DESCRIPTION, allow_abbrev=False
    )
    from_source = "(run from its source, not installed)"
    version = f"%(prog)s {package_version(from_source)}" if "--version" in given else ""
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for other, (_, about) in COMMANDS.items():
        if other != name:
            commands.add_parser(other, help=about)
    if command is not None:
        add_command(commands, name, cast(Command, command), COMMANDS[name][1])
    args = parser.parse_args(given)
    try:
        return run_action(args)
    except OutputError as error:
        return _fail(error, EXIT_NO_OUTPUT)
    except AudioModelError as error:
        return _fail(error, EXIT_USAGE)
    except KeyboardInterrupt:
        # Commands that have something to keep catch it themselves.
        print("audio-model: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Python flushes standard output once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE


@contextmanager
def _interrupts_end_it() -> Iterator[None]:
    """Let Ctrl-C end the process at once, without a traceback, while modules load."""
    # Who ignores interrupts goes on doing so, and only the main thread may change any of this.
    python_answers = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if python_answers and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    else:
        yield


def _fail(error: AudioModelError, status: int) -> int:
    print(f"audio-model: {error}", file=sys.stderr)
    return status
