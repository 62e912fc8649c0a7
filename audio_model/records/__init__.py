"""A store of calls, of archives and live ones: who hears which, what they say, and figures."""
