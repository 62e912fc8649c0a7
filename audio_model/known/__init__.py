"""Recordings that were heard before: fingerprint, store, match, campaigns.

A call's samples become codes (``fingerprint``). A code whose key is in the ``store`` (``index``) is
a place in a recording where the call may repeat it, and ``matcher`` collects such places. There
call and recording are compared (``stretch``): at one alignment or in pieces (``band``), with the
slips between them undone (``seams``, ``course``), as far as they keep each other's time
(``wander``). What comes out is a ``match``, and ``fuse`` makes one verdict of it and the network's.
``follow`` does all this beside a leg or a file.

The store learns calls of which the network is sure, and what two calls hold (``repetition``, among
the calls that ``recent`` keeps for a while). ``counts`` tell a recording that may recur from a
campaign, ``sounds`` may always recur. ``campaigns`` groups the calls of an archive.
"""
