"""One adaptation, from marked calls to what replaces the old network, or to why nothing does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audio_model.rule import Calibration
from training.adapt.calls import Calls
from training.adapt.choose import (
    OLD,
    Candidate,
    Trial,
    best,
    chosen_by_others,
    cross_validate,
)
from training.adapt.guard import Gain, error_rate, gain_of, objections
from training.adapt.learn import fine_tune, part_of_the_way
from training.adapt.settings import AdaptConfig
from training.evaluation.infer import HeardTake
from training.network import Network

NOTHING_BETTER = "no way of adapting tells calls better that were not learnt from"


@dataclass(frozen=True)
class Adapted:
    """The result of an adaptation."""

    network: Network
    """The new network if there are no objections, else the old."""
    chosen: Candidate
    trials: dict[Candidate, Trial]
    gain: Gain
    general: tuple[float, float] | None
    """Equal error rate of the unmet clips before and after, or None where there are none."""
    objections: Sequence[str]

    @property
    def is_new(self) -> bool:
        """Return whether the new network may replace the old one."""
        return not self.objections


def adapt(
    calls: Calls,
    general: Sequence[Calls],
    calibration: Calibration,
    settings: AdaptConfig,
    rehearsal: Calls | None = None,
) -> Adapted:
    """Adapt the network that heard the calls, unless it serves as well as it is.

    If the unmet clips lose too much, less of the way is gone.

    Args:
        calls: marked, of at least three groups a class.
        general: the unmet clips, in each condition in which they are heard.
        calibration: the old network's.
        settings: how to adapt.
        rehearsal: other clips, on which the answers are to stay as they are.
    """
    trials, fold = cross_validate(calls, calibration, settings, rehearsal)
    before = trials[OLD].loss
    gain = gain_of(before, chosen_by_others(trials, fold, calls), calls)
    chosen = best(trials, calls)
    against = [NOTHING_BETTER] if chosen == OLD else objections(gain, None, settings.max_lost)
    if against:
        return Adapted(calls.network, chosen, trials, gain, None, against)
    learnt = fine_tune(calls, chosen.depth, range(len(calls)), settings, rehearsal)
    rate_before = _mean_error([of.old for of in general])
    for share in sorted((s for s in settings.shares if s <= chosen.share), reverse=True):
        tried = Candidate(chosen.depth, share)
        network = part_of_the_way(calls.network, learnt, share)
        # Going less far than was best needs a proof of its own.
        of_tried = gain if tried == chosen else gain_of(before, trials[tried].loss, calls)
        rate_after = _mean_error([of.heard_by(network, tried.depth) for of in general])
        lost = rate_after - rate_before if general else None
        against = objections(of_tried, lost, settings.max_lost)
        if not against:
            break
    return Adapted(
        network=calls.network if against else network,
        chosen=tried,
        trials=trials,
        gain=of_tried,
        general=(rate_before, rate_after) if general else None,
        objections=against,
    )


def _mean_error(heard: Sequence[Sequence[HeardTake]]) -> float:
    return float(np.mean([error_rate(of) for of in heard])) if heard else 0.0
