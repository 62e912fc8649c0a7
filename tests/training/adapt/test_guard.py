"""What speaks against a network that was adapted."""

from training.adapt.guard import LEAST_GAIN, Gain, objections


def test_a_gain_with_confidence_may_replace() -> None:
    assert objections(Gain(mean=2 * LEAST_GAIN, low=LEAST_GAIN), lost=0.01, most=0.01) == []


def test_a_loss_that_rises_is_said_to_rise() -> None:
    (said,) = objections(Gain(mean=-0.004, low=-0.031), lost=None, most=0.01)
    assert "their log loss changes by +0.004, with 97.5% confidence by +0.031 or less" in said


def test_what_is_lost_on_the_unmet_clips_is_named() -> None:
    (said,) = objections(Gain(mean=0.2, low=0.1), lost=0.023, most=0.01)
    assert said == "the equal error rate of the unmet clips rises by 2.3%, and may by 1.0%"
