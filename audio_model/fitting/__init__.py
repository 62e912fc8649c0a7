"""Fit the rule that decides to answers to calls of known class, and measure it."""
