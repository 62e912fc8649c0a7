"""Simulate a day of calls, and print how breakers did, as Markdown."""

import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from statistics import median

from audio_model.ranges.breaker import Change, Policy
from audio_model.ranges.change import ChangeTest
from audio_model.ranges.monitor import Monitor
from audio_model.ranges.named import holds_many_owners
from audio_model.ranges.numbers import IMPLAUSIBLE, normalise
from audio_model.ranges.tree import Node, RangeCall, State
from audio_model.report.summary import wilson_interval
from benchmarks.command import add_output, parser_of, tell
from benchmarks.ranges import settings as options
from benchmarks.ranges.settings import Settings
from benchmarks.ranges.world import HONEST, OUTCOMES, Day, simulate

WITHIN_SECONDS, WITHIN_RECORDED = 60.0, 30
COUNTED_CALLS = 100
"""A prefix with as many honest calls in the day, and none of a campaign, is an honest range."""


@dataclass
class Flagged:
    """When a campaign was found. A time is None if it was not."""

    hit: float
    """Share of its heard calls that were called recorded."""
    seconds: float | None = None
    recorded: int | None = None
    """Recordings heard by then."""
    prefix: str = ""
    open_seconds: float | None = None
    open_recorded: int | None = None

    @property
    def in_time(self) -> bool:
        """Return whether the campaign was flagged in time."""
        return self._within(self.seconds, self.recorded)

    @property
    def open_in_time(self) -> bool:
        """Return whether its range was opened in time."""
        return self._within(self.open_seconds, self.open_recorded)

    def _within(self, seconds: float | None, recorded: int | None) -> bool:
        if seconds is None or recorded is None:
            return False
        return seconds <= WITHIN_SECONDS and recorded <= WITHIN_RECORDED


@dataclass
class Figures:
    """The figures of one day."""

    settings: Settings
    calls: int = 0
    seconds_cpu: float = 0.0
    nodes: int = 0
    campaigns: list[Flagged] = field(default_factory=list)
    honest_ranges: int = 0
    honest_opened: list[str] = field(default_factory=list)
    honest_warned: int = 0
    wide_warnings: int = 0
    """Warnings of ranges with many owners, which are never opened and flag no campaign here."""
    honest_calls: int = 0
    honest_calls_stopped: int = 0
    """Under an open range, which was open for a campaign's sake or not."""
    campaign_calls_stopped: int = 0
    campaign_calls: int = 0
    load: float = 0.0


class _Watch:
    """Follows the breakers, and knows the truth."""

    def __init__(self, day: Day, figures: Figures) -> None:
        self.day, self.figures = day, figures
        self.open: set[str] = set()
        self.owner = {number: n for n, each in enumerate(day.campaigns) for number in each.numbers}
        self.prefixes: dict[str, set[int]] = {}
        for number, owner in self.owner.items():
            for prefix in normalise(number).prefixes:
                self.prefixes.setdefault(prefix, set()).add(owner)
        self.heard_recorded: Counter[int] = Counter()
        self.warned_honest: set[str] = set()

    def changed(self, change: Change) -> None:
        prefix, after = change.prefix, change.after
        if after is State.OPEN:
            self.open.add(prefix)
        else:
            self.open.discard(prefix)
        if after not in (State.WARNED, State.OPEN) or prefix.startswith(IMPLAUSIBLE):
            return
        if holds_many_owners(prefix):
            self.figures.wide_warnings += 1
            return
        owners = self.prefixes.get(prefix)
        if not owners:
            if after is State.OPEN:
                self.figures.honest_opened.append(prefix)
            else:
                self.warned_honest.add(prefix)
            return
        for owner in owners:
            campaign, found = self.day.campaigns[owner], self.figures.campaigns[owner]
            elapsed, heard = change.time - campaign.start, self.heard_recorded[owner]
            if elapsed < 0:
                continue
            if found.seconds is None:
                found.seconds, found.recorded, found.prefix = elapsed, heard, prefix
            if after is State.OPEN and found.open_seconds is None:
                found.open_seconds, found.open_recorded = elapsed, heard


def run(settings: Settings) -> Figures:
    """Simulate a day and let the monitor hear it."""
    day = simulate(settings)
    figures = Figures(settings, calls=len(day.caller))
    for index in range(len(day.campaigns)):
        mine = (day.campaign == index) & (day.outcome < len(OUTCOMES) - 1)
        figures.campaigns.append(Flagged(hit=float((day.outcome[mine] == 0).mean())))
    watch = _Watch(day, figures)
    nodes: dict[str, Node] = {}
    test = ChangeTest(honest=settings.honest, bad=settings.bad)
    policy = Policy(test, warnings=settings.warnings, openings=settings.openings)
    monitor = Monitor(nodes, policy)
    begun = time.process_time()
    honest_calls: Counter[str] = Counter()
    rows = zip(
        day.caller.tolist(),
        day.told.tolist(),
        day.outcome.tolist(),
        day.campaign.tolist(),
        strict=True,
    )
    for n, (caller, told, outcome, campaign) in enumerate(rows):
        text = day.callers[caller]
        call = RangeCall(str(n), text, told, OUTCOMES[outcome], called=str(n))
        if watch.open:
            stopped = any(prefix in watch.open for prefix in call.number.prefixes)
            if campaign == HONEST:
                figures.honest_calls_stopped += stopped
            else:
                figures.campaign_calls_stopped += stopped
        if campaign == HONEST:
            figures.honest_calls += 1
            honest_calls.update(call.number.prefixes)
        else:
            figures.campaign_calls += 1
            watch.heard_recorded[campaign] += outcome < len(OUTCOMES) - 1
        for change in monitor.hear(call):
            watch.changed(change)
    figures.seconds_cpu = time.process_time() - begun
    figures.nodes = len(nodes)
    figures.honest_ranges = sum(
        n >= COUNTED_CALLS and prefix not in watch.prefixes for prefix, n in honest_calls.items()
    )
    figures.honest_warned = len(watch.warned_honest)
    figures.load = os.getloadavg()[0]
    return figures


def as_markdown(figures: Figures) -> str:
    """Return the figures against the aims."""
    campaigns = figures.campaigns
    lines = ["| | | 95 % interval |", "|---|---:|---|"]
    for name, found in (
        (f"flagged within {WITHIN_SECONDS:g} s and {WITHIN_RECORDED} heard recordings",
         sum(each.in_time for each in campaigns)),
        ("opened within the same", sum(each.open_in_time for each in campaigns)),
        ("flagged at all", sum(each.seconds is not None for each in campaigns)),
        ("opened at all", sum(each.open_seconds is not None for each in campaigns)),
    ):  # fmt: skip
        low, high = wilson_interval(found, len(campaigns))
        lines.append(
            f"| campaigns {name} | {found} of {len(campaigns)} | {low:.1%} to {high:.1%} |"
        )
    opened, ranges = len(set(figures.honest_opened)), figures.honest_ranges
    low, high = wilson_interval(opened, ranges)
    lines += [
        f"| honest ranges opened, a range-day | {opened} of {ranges:,} | {low:.3%} to {high:.3%} |",
        f"| honest ranges warned of | {figures.honest_warned:,} | |",
        f"| warnings of ranges of many owners | {figures.wide_warnings:,} | |",
        f"| honest calls under an open range | {figures.honest_calls_stopped:,} of "
        f"{figures.honest_calls:,} | |",
        f"| campaign calls under an open range | {figures.campaign_calls_stopped:,} of "
        f"{figures.campaign_calls:,} | |",
        "",
    ]
    flagged = [each for each in campaigns if each.seconds is not None]
    if flagged:
        seconds = sorted(each.seconds or 0.0 for each in flagged)
        recorded = sorted(each.recorded or 0 for each in flagged)
        p95 = min(len(seconds) - 1, int(0.95 * len(seconds)))
        lines.append(
            f"- flagged after {median(seconds):.1f} s and {median(recorded):.0f} recordings in the "
            f"median; 95 % of those flagged within {seconds[p95]:.1f} s, {recorded[p95]} recordings"
        )
    openings = sorted(each.open_recorded or 0 for each in campaigns if each.open_seconds)
    if openings:
        lines.append(f"- opened after {median(openings):.0f} recordings in the median")
    for low_hit, high_hit in ((0, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.5), (0.5, 1.01)):
        group = [each for each in campaigns if low_hit <= each.hit < high_hit]
        if group:
            in_time = sum(each.in_time for each in group)
            lines.append(
                f"- messages of which {low_hit:.0%} to {min(high_hit, 1):.0%} are called recorded: "
                f"{in_time} of {len(group)} flagged in time"
            )
    each_second = figures.calls / figures.seconds_cpu
    lines.append(
        f"- {each_second:,.0f} calls a CPU second (simulation's own share included, without a "
        f"store); {figures.nodes:,} nodes; load {figures.load:.1f}"
    )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Simulate a day, print its figures and return the exit status."""
    parser = parser_of("ranges", __doc__)
    options.add_arguments(parser)
    add_output(parser)
    args = parser.parse_args(arguments)
    figures = run(options.load(args))
    tell(as_markdown(figures), figures, args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
