"""Scoring many recordings: find them, score them in order, write one row for each."""
