"""Where events go besides their gateway: logs, metrics, listeners, webhooks, files."""
