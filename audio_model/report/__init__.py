"""Reports on results: a page about one run, a comparison of two, and a join with call records.

``summary`` counts a run by ``slices`` and chooses ``exhibits`` to see and hear; ``page`` draws
them. ``compare`` finds what changed between two results, and ``drift`` what changed over all calls.
``join`` finds the call record of each result.
"""
