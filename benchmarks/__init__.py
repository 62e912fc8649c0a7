"""Costs, measured on the machine at hand."""
