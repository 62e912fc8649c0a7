"""Known recordings: how many are found again, how few by mistake, and what that costs."""
