"""Live calls: from a gateway's packets to events.

A packet arrives at a listener (``http.websockets``, ``asterisk.audiosocket``, ``rtp``). If it came
by WebSocket, it passes its gateway's ``dialects``. It ends at a leg of ``calls``. ``legs`` put
packets in ``order`` and keep them until the ``engine`` hears several legs together. The leg's
``deadline`` tells it when its time is up. A new verdict becomes one of the ``events``, which goes
back the gateway's own way and to all ``outlets``.
``server`` holds everything together, as ``config`` says.
"""
