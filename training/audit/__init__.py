"""The shortcut audit: does the label, or the network, hang on what says nothing about presence?

``python -m training.audit RUN --config FILE``. Seven questions about the clips that judge a run, a
module or function each:

1. :mod:`~training.audit.separability`: can the label be told from nuisances alone?
2. :data:`~training.audit.changes.CHANGES`: does a clip keep its verdict when its line changes?
3. :func:`~training.audit.changes.played_back`: what does a loudspeaker in between do to the score?
4. :func:`~training.audit.scores.matched_subset`: and if both classes speak as much, as loudly?
5. :func:`~training.audit.scores.by_pitch`: are low and high voices, men and women, told alike?
6. :func:`~training.evaluation.figures.by_language`: are languages?
7. :func:`~training.audit.scores.correlations`: which nuisance does the score follow in a class?

What must hold is in :mod:`~training.audit.bounds`.
"""
