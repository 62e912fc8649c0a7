"""The day's calls: honest lines, people, and campaigns in the same ranges."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_model.ranges.rates import CallAnswer
from benchmarks.ranges.settings import Settings

_OUTCOMES = (CallAnswer.RECORDED, CallAnswer.LIVE, CallAnswer.UNSURE, CallAnswer.UNHEARD)
_UNHEARD = _OUTCOMES.index(CallAnswer.UNHEARD)
_SIX_DIGITS = ("952", "954")
_CALL_CENTRES = ("950", "951", "957", *_SIX_DIGITS)
_BUSY_HOURS = np.array([1] * 8 + [6] * 12 + [2] * 4) / 88
HONEST = -1

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Campaign:
    """One message, played to many from the numbers of some blocks of an allocation."""

    start: float
    allocation: str
    numbers: frozenset[str]


@dataclass(frozen=True)
class Day:
    """All calls in the order of their verdicts."""

    callers: list[str]
    """Numbers; calls refer to them."""
    caller: _Integers
    started: _Floats
    told: _Floats
    """When the verdict came."""
    outcome: _Integers
    """Index of :data:`OUTCOMES`."""
    recorded: NDArray[np.bool_]
    """The truth."""
    campaign: _Integers
    """HONEST, or the index of its campaign."""
    campaigns: list[Campaign]


OUTCOMES = _OUTCOMES


def simulate(settings: Settings) -> Day:
    """Draw a day."""
    rng = np.random.default_rng(settings.seed)
    callers: list[str] = []
    allocations = _allocations(settings.allocations, rng)
    parts = [_honest(settings, allocations, callers, rng)]
    campaigns = []
    chosen = rng.choice(len(allocations), settings.campaigns, replace=False)
    for index, place in enumerate(chosen.tolist()):
        campaign, part = _campaign(settings, index, allocations[place], callers, rng)
        campaigns.append(campaign)
        parts.append(part)
    merged = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(merged["told"], kind="stable")
    return Day(callers, campaigns=campaigns, **{name: all_[order] for name, all_ in merged.items()})


def _allocations(n: int, rng: np.random.Generator) -> list[str]:
    found: set[str] = set()
    while len(found) < n:
        prefix = _CALL_CENTRES[rng.integers(len(_CALL_CENTRES))]
        digits = 3 if prefix in _SIX_DIGITS else 2
        found.add(f"{prefix}{rng.integers(10**digits):0{digits}d}")
        if len(found) >= 2300:
            raise SystemExit("at most 2,300 allocations fit into the plan's call centres")
    return sorted(found)


def _honest(
    settings: Settings, allocations: list[str], callers: list[str], rng: np.random.Generator
) -> dict[str, Any]:
    n_calls = settings.calls - settings.campaigns * settings.campaign_calls
    if n_calls < 0:
        raise SystemExit("the campaigns alone are more than all calls")
    lines = [
        f"{allocation}{number:0{8 - len(allocation)}d}"
        for allocation in allocations
        for number in rng.choice(10 ** (8 - len(allocation)), rng.poisson(settings.lines))
    ]
    lines = sorted(set(lines))
    mobiles = [f"+861{kind}{rest:09d}" for kind, rest in _pairs(rng, "3589", settings.mobiles)]
    areas = ("10", "21", "755", "571", "28", "27", "512", "531", "22", "29")
    landlines = [
        f"+86{area}{rest % 60_000_000 + 20_000_000:08d}"
        for area, rest in _pairs(rng, areas, settings.landlines)
    ]
    groups = [(lines, settings.service_share, settings.menus)]
    rest = (1 - settings.service_share) / 2
    groups += [(mobiles, rest, 0.005), (landlines, rest, settings.menus / 2)]
    weights, menus = [], []
    for names, share, mean in groups:
        traffic = (1 + rng.permutation(len(names))) ** -settings.busiest
        weights.append(share * traffic / traffic.sum())
        strength = settings.menus_strength
        menus.append(rng.beta(mean * strength, (1 - mean) * strength, len(names)))
        callers.extend(names)
    traffic, menu = np.concatenate(weights), np.concatenate(menus)
    caller = rng.choice(len(traffic), n_calls, p=traffic / traffic.sum())
    recorded = rng.random(n_calls) < menu[caller]
    hours = rng.choice(24, n_calls, p=_BUSY_HOURS)
    started = (hours + rng.random(n_calls)) * settings.day_seconds / 24
    hits = _rates(settings.hit, settings.hit_strength, len(traffic), rng)
    alarms = _rates(settings.false_alarm, settings.false_alarm_strength, len(traffic), rng)
    lives = _rates(settings.live_said_live, settings.live_strength, len(traffic), rng)
    matched = rng.random(n_calls) < settings.known * settings.known_before
    return _told(
        settings,
        caller,
        started,
        recorded,
        matched,
        hits[caller],
        alarms[caller],
        lives[caller],
        HONEST,
        rng,
    )


def _campaign(
    settings: Settings,
    index: int,
    allocation: str,
    callers: list[str],
    rng: np.random.Generator,
) -> tuple[Campaign, dict[str, Any]]:
    n_calls = settings.campaign_calls
    digits = 8 - len(allocation) - 1
    blocks = rng.choice(10, settings.hop_blocks, replace=False)
    numbers = sorted(
        {
            f"{allocation}{rng.choice(blocks)}{rng.integers(10**digits):0{digits}d}"
            for _ in range(settings.hop_numbers)
        }
    )
    first = len(callers)
    callers.extend(numbers)
    caller = first + rng.integers(len(numbers), size=n_calls)
    forged = np.flatnonzero(rng.random(n_calls) < settings.spoofed)
    caller[forged] = len(callers) + np.arange(len(forged))
    for position in range(len(forged)):
        tail = int(rng.integers(10**9))
        callers.append(
            f"+861{'3589'[tail % 4]}{tail:09d}" if position % 2 else f"95{tail % 10**8:08d}00"
        )
    start = float(rng.uniform(0, settings.day_seconds - settings.campaign_seconds - 60))
    started = np.sort(start + rng.random(n_calls) * settings.campaign_seconds)
    # The start of a campaign is its first call.
    start = float(started[0])
    hit = _rates(settings.hit, settings.hit_strength, 1, rng)
    matched = rng.random(n_calls) < settings.known
    if rng.random() >= settings.known_before:
        heard_first = np.argmax(rng.random(n_calls) < hit[0]) if hit[0] > 1e-4 else n_calls
        learnt_after = heard_first + 1
        if settings.known_after:
            learnt_after = min(learnt_after, settings.known_after)
        matched[:learnt_after] = False
    part = _told(
        settings,
        caller,
        started,
        np.ones(n_calls, bool),
        matched,
        np.broadcast_to(hit, n_calls),
        np.zeros(n_calls),
        np.zeros(n_calls),
        index,
        rng,
    )
    return Campaign(start, allocation, frozenset(numbers)), part


def _told(
    settings: Settings,
    caller: _Integers,
    started: _Floats,
    recorded: NDArray[np.bool_],
    matched: NDArray[np.bool_],
    hit: _Floats,
    alarm: _Floats,
    live: _Floats,
    campaign: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return calls with the detector's answers, and when they come."""
    n = len(caller)
    live_of_rest = np.where(
        recorded,
        settings.recorded_said_live / (1 - settings.hit),
        live / (1 - settings.false_alarm),
    )
    said_recorded = rng.random(n) < np.where(recorded, hit, alarm)
    said_live = rng.random(n) < live_of_rest
    outcome = np.where(said_recorded, 0, np.where(said_live, 1, 2))
    outcome[recorded & matched] = 0
    unheard = rng.random(n) < settings.unheard
    outcome[unheard] = _UNHEARD
    delay = settings.decided_seconds * np.exp(rng.normal(0, 0.45, n))
    delay = np.minimum(np.where(outcome < 2, delay, settings.unsure_seconds), 6.0)
    return {
        "caller": caller,
        "started": started,
        "told": started + delay,
        "outcome": outcome,
        "recorded": recorded,
        "campaign": np.full(n, campaign),
    }


def _rates(mean: float, strength: float, n: int, rng: np.random.Generator) -> _Floats:
    if strength <= 0 or mean <= 0:
        return np.full(n, mean)
    return rng.beta(mean * strength, (1 - mean) * strength, n)


def _pairs(rng: np.random.Generator, heads: str | tuple[str, ...], n: int) -> list[tuple[str, int]]:
    chosen = rng.integers(len(heads), size=n)
    return [
        (heads[head], int(tail))
        for head, tail in zip(chosen.tolist(), rng.integers(10**9, size=n).tolist(), strict=True)
    ]
