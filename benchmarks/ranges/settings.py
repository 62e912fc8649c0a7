"""What the simulated day is like; each field is a flag and a line of a TOML file."""

import argparse
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from audio_model.errors import UsageError
from training.settings import read


@dataclass(frozen=True)
class Settings:
    """Shares are of 1, times in seconds."""

    seed: int = 0
    calls: int = 4_100_000
    """Calls of the whole day, campaigns among them."""
    day_seconds: float = 86_400.0

    campaigns: int = 100
    """Each in an allocation of its own, which it shares with honest lines."""
    campaign_calls: int = 10_000
    campaign_seconds: float = 1800.0
    hop_numbers: int = 500
    """Numbers that a campaign hops among, from call to call."""
    hop_blocks: int = 2
    """Blocks that hold its numbers, of the ten of its allocation."""
    spoofed: float = 0.1
    """Share of a campaign's calls from forged numbers: half are implausible, half anybody's."""

    allocations: int = 1500
    """Service ranges of 5 or 6 digits."""
    lines: int = 8
    """Honest lines of an allocation, on average."""
    mobiles: int = 400_000
    landlines: int = 100_000
    service_share: float = 0.4
    """The share of honest calls from service lines. Mobiles make half of the rest."""
    busiest: float = 1.0
    """Exponent of the lines' traffic over their rank: 0 for all alike."""
    menus: float = 0.03
    """Mean share of recordings in an honest line's calls."""
    menus_strength: float = 12.0
    """The strength of the Beta distribution over lines: small for lines far apart."""

    hit: float = 0.524
    """Recordings that the detector calls recorded."""
    recorded_said_live: float = 0.035
    false_alarm: float = 0.014
    live_said_live: float = 0.484
    hit_strength: float = 0.0
    """The strength of the Beta distribution of the hit rate over messages; 0 for all alike."""
    false_alarm_strength: float = 26.0
    """The same of the false alarms over lines."""
    live_strength: float = 0.0
    """The same of the live verdicts of live callers over lines; 0 for all alike."""
    unheard: float = 0.1
    """Calls that end before anything is heard."""
    decided_seconds: float = 2.6
    """Median, from the call's start to a verdict."""
    unsure_seconds: float = 6.0

    known: float = 0.0
    """Recordings that are matched to known ones."""
    known_before: float = 1.0
    """Messages that the store knows from the start; others from their first hit on."""
    known_after: int = 0
    """Calls of a message after which it is known, by repetition, without a hit; 0: never so."""

    honest: float = 0.2
    """The share of recordings that the monitor lets an honest range play."""
    bad: float = 0.95
    warnings: float = 1.0
    openings: float = 0.01


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each setting, and one for a file of them."""
    parser.add_argument("--config", type=Path, help="TOML file of settings; flags win over it")
    for name, default in asdict(Settings()).items():
        parser.add_argument(
            "--" + name.replace("_", "-"),
            type=type(default),
            metavar=type(default).__name__.upper(),
            help=f"default: {default:,}",
        )


def load(args: argparse.Namespace) -> Settings:
    """Return the settings of a file and flags.

    Raises SystemExit for an unknown key or a wrong type.
    """
    try:
        given = read(Settings, args.config) if args.config else Settings()
    except UsageError as error:
        raise SystemExit(str(error)) from error
    flags = {name: value for name in asdict(given) if (value := getattr(args, name)) is not None}
    return replace(given, **flags)
