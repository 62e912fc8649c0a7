"""A verdict's ways into an Asterisk's dialplan, beside those of the media's own connection."""
