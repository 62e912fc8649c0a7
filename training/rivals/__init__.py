"""Other methods for the same job, on the same clips: ``python -m training.rivals``.

:class:`~training.rivals.rival.Rival` is their common shape and :mod:`~training.rivals.compare` the
table.
"""
