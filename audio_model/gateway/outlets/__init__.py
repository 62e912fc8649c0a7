"""Outlets of events beside their gateway: logs, metrics, listeners, webhooks, files."""
