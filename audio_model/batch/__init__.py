"""Runs over many recordings: planned, scored in order, stopped, and gone on with."""
