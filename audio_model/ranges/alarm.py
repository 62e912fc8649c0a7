"""The smallest ranges that explain an alarm, so that honest neighbours stay open.

A range is in alarm, and the question is which part of it. Its ten children are compared with each
other: those of which recordings are heard, and that do not look honest all the same, are suspect.
If the others, taken together, look honest, and if it is no chance that the recordings came from so
few children, then the suspect ones explain the alarm, and the question goes on in each of them. If
not, as when a caller hops across all of them, the range itself is the answer.

The chance is that of ``k`` calls that hop across all ten children alike and meet no more than ``d``
of them: at most C(10, d) (d / 10)^k.
"""

import math
from collections.abc import Mapping

from audio_model.ranges.change import ChangeTest
from audio_model.ranges.rates import CallAnswer, recorded_share
from audio_model.ranges.tree import Node, Nodes, children

SUSPECT = 0.2
"""A child is suspect if its share is above the honest one with this probability, which is a little
more than before its first call."""
NOT_HONEST = 0.5
"""The other children, taken together, do not look honest from this probability on."""
CHANCE = 0.01
_ONE = 0.5
"""Recent calls that are one, no longer ago than 40 minutes."""
SEVERAL = 3
"""Children from which recordings must come before a range of many owners is warned of."""
MOST = 5
"""Suspect children beyond which the ten are one range, unless the others are heard to be live."""


def smallest_ranges(nodes: Nodes, alarmed: Node, test: ChangeTest, now: float) -> list[Node]:
    """Return the ranges, ``alarmed`` itself or below it, that explain its recent calls."""
    rest = alarmed.recent(now)
    suspect = []
    k = 0.0
    for node in children(nodes, alarmed.prefix):
        counts = node.recent(now)
        if _above_honest(counts, test) >= SUSPECT:
            suspect.append(node)
            k += counts[CallAnswer.RECORDED]
            for said, n in counts.items():
                rest[said] = max(0.0, rest[said] - n)
    d = len(suspect)
    by_chance = math.comb(10, d) * (d / 10) ** k > CHANCE
    whole = d > MOST and rest[CallAnswer.LIVE] < 1
    if not suspect or by_chance or whole or _above_honest(rest, test) >= NOT_HONEST:
        return [alarmed]
    return [part for node in suspect for part in smallest_ranges(nodes, node, test, now)]


def comes_from_all_over(nodes: Nodes, alarmed: Node, test: ChangeTest, now: float) -> bool:
    """Return whether recordings come from several parts of a range and no part explains them."""
    heard = [node.recent(now)[CallAnswer.RECORDED] for node in children(nodes, alarmed.prefix)]
    if sum(n >= _ONE for n in heard) < SEVERAL:
        return False
    return smallest_ranges(nodes, alarmed, test, now) == [alarmed]


def _above_honest(counts: Mapping[CallAnswer, float], test: ChangeTest) -> float:
    # Without a recorded call nobody is suspect; the posterior is asked only where it can matter.
    if counts[CallAnswer.RECORDED] < _ONE:
        return 0.0
    return recorded_share(counts, test.rates, above=test.honest).above
