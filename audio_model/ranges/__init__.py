"""Number ranges: who keeps playing recordings, and a breaker that leaves honest neighbours open."""
