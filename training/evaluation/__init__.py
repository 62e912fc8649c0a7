"""Measure a network: its answers, the decision fitted to them, figures, reports."""
