"""A simulated day of calls: how soon campaigns are flagged, and which honest ranges are opened."""
