"""Recordings that were heard before: fingerprint, store, match, campaigns."""
