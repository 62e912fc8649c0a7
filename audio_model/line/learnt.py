"""The calls that a model has learnt from: they can't prove it, and are known by their samples.

A rule can be fitted anew without a call, a network can't. So a call that the rule in use was tuned
to is judged as if it had not been, and one that a network was adapted to judges nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from audio_model.fitting.answer import Answer
from audio_model.fitting.own import at_prevalence, group_weights
from audio_model.line.hear import HeardMarks
from audio_model.model import Model, rule_of
from audio_model.rule import PREVALENCE, DecisionRule

TUNED = "tuned"
"""Key under which a tuned file tells what its rule was made from."""
TUNED_TO = "audio"
"""Key under that for the calls it was fitted to."""
ADAPTED_TO = "adapted_to"
"""Key under which a file lists the calls that its network was adapted to."""
MOST_MISSING = 0.1
"""Share of a rule's calls without which it still is about the same when it is fitted anew."""


def untuned_rule(model: Model) -> DecisionRule:
    """Return the rule of a file's network before any tuning, at even prevalence.

    Marks are kept from month to month: a rule that has them already would count them twice.
    """
    tuned = model.about.get(TUNED)
    rule = model.rule if tuned is None else rule_of(tuned["before"])
    return at_prevalence(rule, PREVALENCE)


def without_adapted_to(heard: HeardMarks, models: Iterable[Model]) -> HeardMarks:
    """Return the calls that no network of the models was adapted to; the others are problems."""
    known = {audio for model in models for audio in model.about.get(ADAPTED_TO, ())}
    kept = [n for n, audio in enumerate(heard.audio) if audio not in known]
    if len(kept) == len(heard.audio):
        return heard
    marks = [heard.marks[n] for n in kept]
    weights = group_weights([mark.label for mark in marks], [mark.group for mark in marks])
    problems = [
        f"{mark.name}: the network was adapted to it, so it can't judge the network"
        for mark, audio in zip(heard.marks, heard.audio, strict=True)
        if audio in known
    ]
    return HeardMarks(
        marks,
        [replace(heard.answers[n], weight=weight) for n, weight in zip(kept, weights, strict=True)],
        [heard.audio[n] for n in kept],
        heard.problems + problems,
        heard.repeated,
    )


@dataclass(frozen=True)
class InUse:
    """The rule that a new one is measured against, and its network's answers to the same calls."""

    answers: Sequence[Answer]
    rule: DecisionRule
    """At even prevalence."""
    before: DecisionRule
    """The same before any tuning."""
    tuned_to: frozenset[str] = frozenset()
    """Groups of the calls that it was tuned to, as far as they are among these."""
    favoured: bool = False
    """Whether it was tuned to calls that are not known, or to some of these and many others."""

    @classmethod
    def of(cls, model: Model, heard: HeardMarks) -> Self:
        """Return the rule of a model in use, and what it was tuned to of the calls it heard."""
        known = frozenset[str](model.about.get(TUNED, {}).get(TUNED_TO, ()))
        groups = frozenset(
            mark.group
            for mark, audio in zip(heard.marks, heard.audio, strict=True)
            if audio in known
        )
        missing = len(known.difference(heard.audio))
        many_missing = bool(groups) and missing > MOST_MISSING * len(known)
        favoured = TUNED in model.about and (not known or many_missing)
        rule = at_prevalence(model.rule, PREVALENCE)
        # Fitted anew to a part of its calls alone it would be a worse rule than the one in use.
        tuned_to = frozenset[str]() if favoured else groups
        return cls(heard.answers, rule, untuned_rule(model), tuned_to, favoured)
