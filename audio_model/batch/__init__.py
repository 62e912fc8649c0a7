"""Runs over many recordings: plan them, score them in order, stop them, and resume them.

``command`` scores into one file by itself, as its ``options`` ask. Into a folder, ``score_folder``
makes a ``plan`` of ``shards`` and hands them to ``workers`` on this machine or to a ``cluster``;
``run_state`` is what lies in the folder, and ``stopping`` ends a run so that nothing is lost.
"""
