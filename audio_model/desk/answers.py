"""The answers of the desk's routes: pages and files."""

from aiohttp import web


def html(page: str, status: int = 200) -> web.Response:
    """Return a page."""
    return web.Response(text=page, status=status, content_type="text/html", charset="utf-8")


def csv_file(name: str, content: bytes) -> web.Response:
    """Return a CSV file for the browser to keep under a name."""
    return web.Response(
        body=content,
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
