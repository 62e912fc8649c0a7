"""What others do for the same job, on the same clips: ``python -m training.peers``.

:class:`~training.peers.peer.Peer` is their common shape, :mod:`~training.peers.compare` the table.
"""
