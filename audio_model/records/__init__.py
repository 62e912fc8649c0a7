"""A store of calls, of archives and live ones: who hears which, what they say, and figures.

``imports`` brings ``calls`` into the ``store``. Each has a place in the ``queue`` (``priority``),
by which ``people`` hear it. Their ``marks`` settle calls and campaigns (``campaign_marks``);
``handsets`` brings marks in bulk, and ``exports`` writes settled calls to train on. Rows that
neither import can use are ``damaged``. ``deeds`` logs what people did. ``statistics`` and
``mark_statistics`` make the figures of ``periods``, from calls as columns of numbers
(``call_columns``, ``counting``).
"""
