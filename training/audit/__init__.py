"""The shortcut audit: does the label, or the network, hang on what says nothing about presence?

``python -m training.audit RUN --config FILE``. Five questions, a module or function each:

1. :mod:`~training.audit.separability`: can the label be told from nuisances alone?
2. :func:`~training.audit.changes.flips`: does a clip keep its verdict when its line changes?
3. :func:`~training.audit.changes.shifts`: what does a loudspeaker in between do to the score?
4. :func:`~training.audit.scores.matched_subset`: and if both classes speak as much, as loudly?
5. :func:`~training.audit.scores.correlations`: which nuisance does the score follow in a class?

What must hold is in :mod:`~training.audit.bounds`.
"""
