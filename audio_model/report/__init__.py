"""Reports on results: a page about one run, and a comparison of two."""
