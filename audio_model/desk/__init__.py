"""``audio-model desk``: where people listen to calls, mark them, and see ranges and figures."""
