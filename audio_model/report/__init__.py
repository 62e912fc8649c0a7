"""Results that people look at: a page about one run, and a comparison of two."""
