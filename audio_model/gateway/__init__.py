"""Live calls: from a gateway's packets to events.

The way of a packet: a socket's listener (``websockets``, ``audiosocket``, ``rtp``) hands messages
to its dialect, which knows the gateway's way of speaking and opens ``calls``; a ``legs.Leg`` puts
packets in ``order`` and keeps them until the ``engine`` hears several legs together; what changes
becomes an ``events.Event``, which goes back the gateway's own way and to ``webhooks``, ``metrics``
and whoever listens over ``http``. ``server`` holds all of it together.
"""
