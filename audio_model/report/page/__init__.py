"""Self-contained HTML pages: nothing is loaded from anywhere, and no file name becomes markup."""
