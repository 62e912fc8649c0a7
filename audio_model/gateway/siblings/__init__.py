"""Processes that share a port: what one has open or has said, the others know."""
