"""WebSockets and HTTP: access, requests and answers."""
