"""The options of ``audio-model score``: what they are, and what they ask for together."""

import argparse
import os
from dataclasses import fields
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from audio_model.audio import Channel, Encoding, RawFormat, check_seconds, check_wait
from audio_model.commands import add_budget_argument
from audio_model.detector import ScoreOptions
from audio_model.errors import UsageError
from audio_model.formats import suffix_of
from audio_model.known.recent import (
    DEFAULT_CALLS,
    DEFAULT_DAYS,
    DEFAULT_HOURS,
    DEFAULT_RECORDINGS,
    Retention,
)
from audio_model.rule import DEFAULT_MAX_FALSE_ALARM
from audio_model.stream import DEFAULT_WAIT_SECONDS
from audio_model.tables.columns import add_columns_argument
from audio_model.tables.writers import OutputFormat

DEFAULT_SHARD_SIZE = 2000
"""Two or three seconds of work: what a signal waits for, and what a dying process loses at most."""

_EACH = "each"
DEFAULT_FORMAT = "parquet"
_FOLDER_OPTIONS = ("format", "workers", "shard_size", "engine", "ray_address")


class EngineKind(StrEnum):
    """The engine that scores the shards of a run folder."""

    LOCAL = "local"
    RAY = "ray"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``score`` takes."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a recording, a folder (searched below, too), a pattern in quotes, an archive (.zip, "
        ".tar, .tar.gz, .tar.bz2, .tar.xz), a URL such as s3://bucket/folder/, a manifest (.csv, "
        ".tsv, .txt, .jsonl or .parquet with a column path, relative to its folder), or - for a "
        "list of paths on standard input, one a line or NUL-terminated",
    )
    add_columns_argument(parser, "manifests", "path=FILE,caller=A_NUMBER,time=START")
    parser.add_argument(
        "--output",
        metavar="FILE or FOLDER/",
        help="write a row for each recording to FILE (.csv, .jsonl or .parquet) instead of "
        "showing a table; .jsonl has the score over time, too. For FOLDER/ (a folder, or a name "
        "that ends in /) see millions of recordings, below",
    )
    parser.add_argument(
        "--channel",
        choices=[*map(str, Channel), _EACH],
        default=Channel.MIX,
        help="the leg of a stereo call to hear; each: both legs, a row for each (default: mix)",
    )
    add_budget_argument(parser, DEFAULT_MAX_FALSE_ALARM)
    parser.add_argument(
        "--max-seconds",
        type=float,
        metavar="S",
        help="hear S seconds from the first voice on (default: as long as the model was measured "
        "for)",
    )
    parser.add_argument(
        "--wait-seconds",
        type=float,
        default=DEFAULT_WAIT_SECONDS,
        metavar="S",
        help="wait up to S seconds of silence or ringback for the first voice (default: "
        "%(default)g)",
    )
    parser.add_argument("--model", metavar="FILE", help="another model than the one shipped")
    before = parser.add_argument_group("recordings that were heard before")
    before.add_argument(
        "--known",
        metavar="STORE",
        help="find calls that repeat a recording of this store (see audio-model known): they are "
        "recorded, and the columns known, known_name, known_offset, known_seconds, "
        "known_first_heard, known_last_heard, known_times_heard and known_repeated say which it is",
    )
    before.add_argument(
        "--learn",
        action="store_true",
        help="keep the codes of calls for a while; add to the store what two calls hold, and calls "
        "of which the network alone is sure. With several processes, or in a resumed run, the "
        "order of calls decides what a call repeats",
    )
    before.add_argument(
        "--keep-hours",
        type=float,
        metavar="H",
        help=f"with --learn: keep calls for H hours (default: {DEFAULT_HOURS:g})",
    )
    before.add_argument(
        "--keep-calls",
        type=int,
        metavar="N",
        help=f"with --learn: keep N calls at most (default: {DEFAULT_CALLS:,})",
    )
    before.add_argument(
        "--keep-days",
        type=float,
        metavar="D",
        help="with --learn: forget learnt recordings without a mark that were not heard for D days "
        f"(default: {DEFAULT_DAYS:g})",
    )
    before.add_argument(
        "--keep-recordings",
        type=int,
        metavar="N",
        help="with --learn: keep N learnt recordings at most, those heard last (default: "
        f"{DEFAULT_RECORDINGS:,})",
    )
    many = parser.add_argument_group("millions of recordings", "With --output FOLDER/.")
    many.add_argument(
        "--format",
        choices=[kind.removeprefix(".") for kind in OutputFormat],
        help=f"format of the parts (default: {DEFAULT_FORMAT})",
    )
    many.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that score (default: one for each CPU of this machine that is available, "
        "or of the cluster)",
    )
    many.add_argument(
        "--shard-size",
        type=int,
        metavar="N",
        help=f"recordings in a part (default: {DEFAULT_SHARD_SIZE}). With smaller parts, fewer "
        "recordings keep more processes busy",
    )
    many.add_argument(
        "--engine",
        choices=[*map(str, EngineKind)],
        help="local: processes on this machine (default); ray: a Ray cluster",
    )
    many.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="address of the cluster, such as auto or 10.0.0.5:6379 (default: start one on this "
        "machine)",
    )
    raw = parser.add_argument_group(
        "files without a header",
        "Without these options the file's name tells the format (.ulaw, .alaw, .sln16, ...).",
    )
    raw.add_argument("--raw-encoding", choices=[*map(str, Encoding)], help="encoding of the bytes")
    raw.add_argument("--raw-rate", type=int, metavar="HZ", help="sample rate (default: 8000)")
    raw.add_argument(
        "--raw-channels", type=int, metavar="N", help="number of channels (default: 1)"
    )


def wants_folder(args: argparse.Namespace) -> bool:
    """Return whether the result is to be a run folder.

    Raises UsageError for options that do not fit.
    """
    output = args.output
    if output is not None and (output.endswith(os.sep) or Path(output).is_dir()):
        return True
    is_file = output is not None and suffix_of(output) in list(OutputFormat)
    if args.format is not None and output is not None and not is_file:
        return True
    given = [f"--{name.replace('_', '-')}" for name in _FOLDER_OPTIONS if getattr(args, name)]
    if given:
        raise UsageError(
            f"{given[0]} is for many recordings, into a folder: give --output FOLDER/ "
            "(a name that ends in /)"
        )
    return False


def check_engine(args: argparse.Namespace) -> None:
    """Raise UsageError for an engine, or a number of processes or recordings, that can't be."""
    for name in ("workers", "shard_size"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name.replace('_', '-')} must be at least 1, not {value}")
    if args.engine == EngineKind.RAY:
        if args.learn:
            raise UsageError("--learn needs --engine local: one machine writes to a store")
        if find_spec("ray") is None:
            raise UsageError('--engine ray needs Ray: pip install "audio-model[cluster]"')
    elif args.ray_address is not None:
        raise UsageError("--ray-address needs --engine ray")


def score_options(args: argparse.Namespace) -> ScoreOptions:
    """Return how each recording is to be heard. Raises UsageError."""
    given = {"sample_rate": args.raw_rate, "channels": args.raw_channels}
    raw = {name: value for name, value in given.items() if value is not None}
    if raw and args.raw_encoding is None:
        raise UsageError("--raw-rate and --raw-channels need --raw-encoding")
    if args.max_seconds is not None:
        check_seconds(args.max_seconds)
    check_wait(args.wait_seconds)
    return ScoreOptions(
        channel=None if args.channel == _EACH else Channel(args.channel),
        max_seconds=args.max_seconds,
        wait_seconds=args.wait_seconds,
        raw_format=RawFormat(Encoding(args.raw_encoding), **raw) if args.raw_encoding else None,
    )


def retention(args: argparse.Namespace) -> Retention | None:
    """Return how long calls and learnt recordings are kept, or None if no option says so.

    Raises UsageError.
    """
    if args.learn and args.known is None:
        raise UsageError("--learn needs --known STORE, the store that learns")
    given = {field.name: getattr(args, f"keep_{field.name}") for field in fields(Retention)}
    given = {name: value for name, value in given.items() if value is not None}
    if given and not args.learn:
        raise UsageError("--keep-hours, -calls, -days and -recordings need --learn")
    return Retention(**given) if given else None
