"""One's own line: labels that are certain, a rule tuned to marked calls, and its renewal."""
