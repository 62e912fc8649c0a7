"""Access to the desk: who asks, what they may do, and which requests are forged.

A person signs in with a token and has a session, whose cookie no script reads and no other site's
request carries. Every form has the session's own secret in it, and where a browser tells the page
that a form came from, it must be the desk's. Programs send the token itself, and no cookie.
"""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from audio_model.desk.stores import Stores
from audio_model.records import people
from audio_model.records.people import Person, Role

COOKIE = "desk"
SESSION_SECONDS = 12 * 3600.0
MAX_SESSIONS = 1000
MAX_TRIES = 20
"""Wrong tokens a minute from one address; further wrong ones are answered by 429."""
MAX_FORM_BYTES = 64_000
MAX_FIELDS = 20

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass
class Session:
    """A person who has signed in."""

    person: Person
    secret: str
    """In every form of the session."""
    until: float
    masked: bool = False
    """Whether the person wants numbers hidden now."""

    @property
    def hides(self) -> bool:
        """Return whether numbers are hidden."""
        return self.masked or self.person.masked


class SessionGuard:
    """Sessions, and the checks that each route makes."""

    def __init__(self, stores: Stores, origin: str, clock: Callable[[], float] = monotonic) -> None:
        """Guard the desk.

        Args:
            stores: the stores, one of which has the people.
            origin: scheme, host and port under which browsers see the desk; if empty, the request
                tells.
            clock: seconds.
        """
        self._stores, self._origin, self._clock = stores, origin, clock
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._tries: OrderedDict[str, tuple[float, int]] = OrderedDict()

    async def sign_in(self, request: web.Request, token: str) -> tuple[str, Session] | None:
        """Begin a session; return its key and the session, or None if the token is nobody's.

        Raises HTTPTooManyRequests for too many wrong tokens. A right one always gets in: behind a
        proxy everybody has one address, and no token can be found by trying.
        """
        person = await self._stores.read(lambda store: people.of_token(store, token))
        if person is None:
            self._count_try(request.remote or "")
            return None
        key = secrets.token_urlsafe(32)
        session = Session(person, secrets.token_urlsafe(32), self._clock() + SESSION_SECONDS)
        self._sessions[key] = session
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return key, session

    def _count_try(self, address: str) -> None:
        """Count a wrong token. Raises HTTPTooManyRequests."""
        begun, tries = self._tries.get(address, (0.0, 0))
        if self._clock() - begun >= 60:
            begun, tries = self._clock(), 0
        if tries >= MAX_TRIES:
            raise web.HTTPTooManyRequests(headers={"Retry-After": "60"})
        self._tries[address] = begun, tries + 1
        while len(self._tries) > MAX_SESSIONS:
            self._tries.popitem(last=False)

    def sign_out(self, request: web.Request) -> None:
        """End a session."""
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)

    async def session(self, request: web.Request, needed: Role = Role.READING) -> Session:
        """Return the session of a request.

        The person's role is read anew, so that a removal or another role holds at once. Raises
        HTTPSeeOther to the page for signing in, or HTTPForbidden.
        """
        found = self._sessions.get(request.cookies.get(COOKIE, ""))
        if found is None or found.until < self._clock():
            raise web.HTTPSeeOther("/sign-in")
        now = await self._stores.read(lambda store: people.of_name(store, found.person.name))
        if now is None:
            self.sign_out(request)
            raise web.HTTPSeeOther("/sign-in")
        found.person = now
        if not now.role.may(needed):
            raise web.HTTPForbidden(text=f"this needs the role {needed}")
        return found

    async def form(self, request: web.Request, needed: Role) -> tuple[Session, dict[str, str]]:
        """Return a form's session and its fields.

        Raises as ``session`` does, and for a forged form.
        """
        session = await self.session(request, needed)
        self.check_origin(request)
        fields = await read_form(request)
        self.check_secret(session, fields.get("secret", ""))
        return session, fields

    def check_secret(self, session: Session, given: str) -> None:
        """Raise HTTPForbidden unless a form was made for its session."""
        if not hmac.compare_digest(given.encode("utf-8", "replace"), session.secret.encode()):
            raise web.HTTPForbidden(text="the form is not of this session: open the page anew")

    def check_origin(self, request: web.Request) -> None:
        """Raise HTTPForbidden for a request that another site's page makes a browser send."""
        origin = request.headers.get("Origin", "")
        own = self._origin or f"{request.scheme}://{request.host}"
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        # With Referrer-Policy no-referrer, browsers write null for a form of our own page, too.
        if origin not in ("", "null", own) or site not in ("same-origin", "none"):
            raise web.HTTPForbidden(text="the form came from another site")

    async def program(self, request: web.Request, needed: Role) -> Person:
        """Return the person of a program, by ``Authorization: Bearer``.

        Raises HTTPUnauthorized, HTTPForbidden.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        person = None
        if scheme.lower() == "bearer":
            person = await self._stores.read(lambda store: people.of_token(store, token.strip()))
        if person is None:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        if not person.role.may(needed):
            raise web.HTTPForbidden(text=f"this needs the role {needed}")
        return person

    def set_cookie(self, response: web.StreamResponse, request: web.Request, key: str) -> None:
        """Give a browser its session."""
        secure = urlsplit(self._origin).scheme == "https" or request.secure
        response.set_cookie(COOKIE, key, httponly=True, samesite="Strict", secure=secure, path="/")


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a small form.

    Raises HTTPRequestEntityTooLarge and HTTPBadRequest.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType()
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > MAX_FORM_BYTES:
            raise web.HTTPRequestEntityTooLarge(MAX_FORM_BYTES, len(body))
    try:
        fields = parse_qs(
            body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=MAX_FIELDS,
            errors="replace",
        )
    except ValueError as error:
        raise web.HTTPBadRequest(text="the form can't be read") from error
    return {name: values[0] for name, values in fields.items()}


@web.middleware
async def headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell browsers what a page may load, whatever the answer is."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(HEADERS)
        raise
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
