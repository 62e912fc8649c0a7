"""Adapting where the old network is wrong, and leaving it where it is right or nobody can tell."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from tests import fixture, sounds
from tests.training import made, readout
from training.adapt.calls import Calls
from training.adapt.choose import OLD, folds_of
from training.adapt.depth import Depth
from training.adapt.guard import error_rate, gain_of
from training.adapt.learn import fine_tune, part_of_the_way
from training.adapt.run import adapt
from training.adapt.settings import AdaptConfig
from training.evaluation.infer import raw
from training.network import Network

HOW = AdaptConfig(
    depths=("head",), shares=(0.5, 1.0), folds=3, passes=60, learning_rate=4e-3, batch_size=16
)


@cache
def old_network() -> Network:
    return readout.network()


def calls_of(groups: int, first: int, *, foreign: bool = False, hum: int = 1) -> Calls:
    """So many callers and recordings, told apart as the old network knows; foreign, by a hum.

    ``hum`` is the class that has it.
    """
    of = []
    for label in (0, 1):
        for n in range(first, first + groups):
            played = bool(label) and not foreign
            samples = sounds.voice(3, 2 * (700 + n) + label, played=played)
            if foreign and label == hum:
                samples += sounds.tone(3, 1000, 0.05)
            of.append(made.sound(samples, made.clip(f"{label}-{n}", label)))
    return Calls(old_network(), raw(of))


@pytest.fixture(scope="module")
def foreign() -> Calls:
    return calls_of(12, 0, foreign=True)


@pytest.mark.slow
def test_a_network_that_is_wrong_is_replaced_and_told_so_on_other_calls(foreign: Calls) -> None:
    came = adapt(foreign, [], fixture.RULE.calibration, HOW)
    assert came.is_new and came.gain.low > 0
    others = calls_of(8, 100, foreign=True)
    before = error_rate(others.old)
    assert error_rate(others.heard_by(came.network, came.chosen.depth)) <= before / 2


@pytest.mark.slow
def test_a_network_that_is_right_stays() -> None:
    came = adapt(calls_of(6, 0), [], fixture.RULE.calibration, HOW)
    assert not came.is_new and came.objections
    assert came.network is not None and came.general is None


@pytest.mark.slow
def test_marks_that_say_nothing_replace_nothing() -> None:
    calls = calls_of(10, 0)
    shuffled = np.random.default_rng(1).permutation(calls.label)
    calls.mark(shuffled.tolist())
    assert not adapt(calls, [], fixture.RULE.calibration, HOW).is_new


@pytest.mark.slow
def test_what_forgets_too_much_replaces_nothing(foreign: Calls) -> None:
    # Elsewhere it is the live callers who have the hum, and the network can't know.
    general = [calls_of(8, 200, foreign=True, hum=0)]
    came = adapt(foreign, general, fixture.RULE.calibration, HOW)
    assert not came.is_new
    assert any("unmet" in reason for reason in came.objections)
    assert came.general is not None and came.general[1] > came.general[0]


@pytest.mark.slow
def test_one_wrong_mark_in_ten_does_not_hide_the_rest(foreign: Calls) -> None:
    marked = foreign.some(range(len(foreign)))
    marked.mark([1 - label if n % 10 == 0 else label for n, label in enumerate(foreign.label)])
    came = adapt(marked, [], fixture.RULE.calibration, HOW)
    others = calls_of(8, 100, foreign=True)
    heard = others.heard_by(came.network, came.chosen.depth)
    assert error_rate(heard) <= error_rate(others.old)


@pytest.mark.parametrize("n_both", [0, 1, 5])
def test_a_group_is_in_one_fold_and_every_fold_has_both_classes(
    foreign: Calls, n_both: int
) -> None:
    calls = foreign.some(range(len(foreign)))
    # Numbers that call with recordings and with people.
    calls.old = [
        replace(each, group=each.group[2:] if int(each.group[2:]) < n_both else each.group)
        for each in calls.old
    ]
    calls.mark([each.label for each in calls.old])
    assert len(np.unique(calls.group)) == 24 - n_both
    fold = folds_of(calls, 3, 1)
    for group in np.unique(calls.group):
        assert len(set(fold[calls.group == group])) == 1
    for number in range(3):
        assert set(calls.label[fold == number]) == {0, 1}


@pytest.mark.parametrize("depth", Depth)
def test_only_what_should_learns(foreign: Calls, depth: Depth) -> None:
    few = foreign.some(range(0, 24, 4))
    old = few.network.state_dict()
    new = fine_tune(few, depth, range(6), replace(HOW, passes=5, batch_size=4)).state_dict()
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    learning = {
        name
        for name, parameter in few.network.named_parameters()
        if any(parameter is each for each in depth.parameters(few.network))
    }
    assert changed and changed <= learning


def test_part_of_the_way(foreign: Calls) -> None:
    old = foreign.network
    new = fine_tune(foreign, Depth.HEAD, range(24), replace(HOW, passes=2))
    half = part_of_the_way(old, new, 0.5).state_dict()
    for name, value in old.state_dict().items():
        torch.testing.assert_close(
            half[name].double(), (value.double() + new.state_dict()[name]) / 2
        )


def test_few_groups_make_the_bound_wide(foreign: Calls) -> None:
    rng = np.random.default_rng(0)
    old = rng.normal(0.6, 0.1, len(foreign))
    new = old - rng.normal(0.05, 0.05, len(foreign))
    many = gain_of(old, new, foreign)
    chosen = [0, 1, 2, 12, 13, 14]
    few = gain_of(old[chosen], new[chosen], foreign.some(chosen))
    assert 0 < many.low < many.mean
    assert few.mean - few.low > 2 * (many.mean - many.low)
    assert gain_of(old, old, foreign).low == 0
    assert OLD.share == 0
