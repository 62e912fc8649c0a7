"""Rows in and rows out: manifests and results as tables, files and a screen of text."""
