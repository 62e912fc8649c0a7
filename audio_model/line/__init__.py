"""A line of one's own: labels that are certain, a rule tuned to marked calls, and its renewal."""
