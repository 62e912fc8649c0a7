"""The errors that HTTP clients get."""

from collections.abc import Mapping

import msgspec
from aiohttp import web

from audio_model.errors import AudioModelError

_SENT_AWAY = (401, 503)
"""Statuses after which the connection is closed: a refused client must not hold it."""


class HttpError(AudioModelError):
    """An error as the answer to a request."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Make an error.

        Args:
            code: for programs; one word that stays the same.
            message: for people.
        """
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers

    def response(self) -> web.Response:
        """Return the error as a response."""
        body = {"error": {"code": self.code, "message": str(self)}}
        response = json_response(body, self.status, self.headers)
        if self.status in _SENT_AWAY:
            response.force_close()
        return response


def json_response(
    body: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return an answer as JSON, in UTF-8."""
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        headers=headers,
        content_type="application/json",
    )
