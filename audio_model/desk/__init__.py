"""``audio-model desk``: a place for people to listen to calls, mark them, and see figures.

``server`` serves the routes of ``app``, ``marking``, ``deciding`` and ``figures``. ``access`` says
who asks. The routes use ``stores`` in threads and answer with pages: ``call_page``, ``lists``,
``statistics_page`` and ``log_page``, in the frame of ``layout``. ``listening`` makes a call's sound
and picture. ``effects`` tells number ranges and known recordings what people marked.
"""
