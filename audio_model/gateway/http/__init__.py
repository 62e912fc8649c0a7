"""WebSockets and HTTP: who may come, what is asked, what is answered."""
