"""Runs over many recordings: plan them, score them in order, stop them, and resume them."""
