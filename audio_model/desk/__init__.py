"""``audio-model desk``: a place for people to listen to calls, mark them, and see figures."""
