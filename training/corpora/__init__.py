"""Recorded speech made here: scripts spoken by speech engines, and public prompts."""
