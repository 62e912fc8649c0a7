"""Number ranges: who keeps playing recordings, and a breaker that leaves honest neighbours open.

A number as it is ``written`` becomes one key (``numbers``). Each prefix of the key is a node of the
``tree``, with the counts of its calls and the evidence that each answer adds (``rates``,
``change``). A ``breaker`` opens and closes by that evidence, for the smallest ranges that explain
it (``alarm``). ``monitor`` moves all of them at each call, and advises on numbers. ``campaigns``
are those of known recordings, whatever their numbers. ``store`` keeps everything on disk.

``calls`` reads call records. ``describe`` makes plain values of ranges, and ``tables`` and ``page``
show them. ``named`` says what the name of a range means.
"""
