"""Live calls: from a gateway's packets to events.

The way of a packet: who listens (``http.websockets``, ``asterisk.audiosocket``, ``rtp``) hands it,
through its gateway's ``dialects`` where it came by WebSocket, to a leg of ``calls``. ``legs`` put
packets in ``order`` and keep them until the ``engine`` hears several legs together. What changes
becomes one of the ``events``, which goes back the gateway's own way and to all ``outlets``.
``server`` holds everything together, as ``config`` says.
"""
