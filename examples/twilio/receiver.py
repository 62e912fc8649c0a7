"""Receive audio-model's webhooks, check that they are genuine, and end the calls of recordings.

    python3 receiver.py SECRET_FILE              listens on 127.0.0.1:8081

    audio-model serve --webhook-url http://127.0.0.1:8081/ --webhook-secret-file SECRET_FILE

Needs nothing but Python 3.11. With TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN in the environment the
call of a recording is ended through Twilio's REST API; without them it is only printed. With
TWILIO_RECORDED_URL as well, the call goes on with the TwiML of that address, which may play a
question or <Dial> another number, and is not ended.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MAX_AGE_SECONDS = 300
MAX_BODY_BYTES = 100_000
MAX_TRANSFERRED = 10_000
TRANSFERRED: dict[str, None] = {}
"""Calls that were sent elsewhere lately, the oldest first."""
TWILIO = "https://api.twilio.com/2010-04-01/Accounts"


def is_genuine(secret: bytes, header: str, body: bytes, now: float) -> bool:
    """Whether the header X-Audio-Model-Signature is the secret's over the body, and recent."""
    fields = dict(field.partition("=")[::2] for field in header.split(","))
    signed_at = fields.get("t", "")
    if not (signed_at.isascii() and signed_at.isdigit() and len(signed_at) < 12):
        return False
    expected = hmac.new(secret, signed_at.encode() + b"." + body, hashlib.sha256).hexdigest()
    recent = abs(now - int(signed_at)) < MAX_AGE_SECONDS
    return recent and hmac.compare_digest(expected.encode(), fields.get("v1", "").encode())


def act(event: Mapping[str, Any]) -> None:
    """Act on a verdict. This is the place for what you do about one.

    An event may come twice, so it must be safe to act twice.
    """
    if event["event"] == "batch":
        for each in event["events"]:
            act(each)
        return
    if event["event"] not in ("verdict", "final", "revised"):
        # Of number ranges and campaigns.
        print(event["event"], flush=True)
        return
    print("{event} {gateway} {call}: {verdict} {score} {reason}".format(**event), flush=True)
    # A verdict that is revised in the middle of a call is no reason: music on hold is recorded.
    begins = event["event"] != "revised"
    if begins and event["verdict"] == "recorded" and event["gateway"] == "twilio":
        update_call(str(event["call"]))


def update_call(call: str) -> None:
    """End a call, or let it go on elsewhere. Raises OSError if Twilio can't be reached."""
    account, token = os.environ.get("TWILIO_ACCOUNT_SID"), os.environ.get("TWILIO_AUTH_TOKEN")
    elsewhere = os.environ.get("TWILIO_RECORDED_URL")
    if account and token and call not in TRANSFERRED:
        password = base64.b64encode(f"{account}:{token}".encode()).decode()
        request = urllib.request.Request(
            f"{TWILIO}/{account}/Calls/{urllib.parse.quote(call)}.json",
            urllib.parse.urlencode(
                {"Url": elsewhere} if elsewhere else {"Status": "completed"}
            ).encode(),
            {"Authorization": f"Basic {password}"},
        )
        try:
            urllib.request.urlopen(request, timeout=3).close()
            if elsewhere:
                # The final event says the same again, and would begin the TwiML anew.
                TRANSFERRED[call] = None
                if len(TRANSFERRED) > MAX_TRANSFERRED:
                    del TRANSFERRED[next(iter(TRANSFERRED))]
        except urllib.error.HTTPError as error:
            # The call is over: after the verdict comes the final event, which says the same.
            if error.code not in (400, 404):
                raise
            error.close()


class Receiver(BaseHTTPRequestHandler):
    """The receiver of webhooks. It checks each signature."""

    secret: bytes
    timeout = 5

    def do_POST(self) -> None:
        """Act on a genuine event."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(min(length, MAX_BODY_BYTES))
        signature = self.headers.get("X-Audio-Model-Signature", "")
        if is_genuine(self.secret, signature, body, time.time()):
            try:
                act(json.loads(body))
                status = 204
            except OSError as error:
                # Twilio could not be told; audio-model will send the event again.
                print(f"not done: {error}", file=sys.stderr, flush=True)
                status = 503
        else:
            status = 401
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""
        pass


def main(secret_file: str, port: int = 8081) -> None:
    """Receive webhooks until the program is stopped."""
    Receiver.secret = Path(secret_file).read_bytes().strip()
    with ThreadingHTTPServer(("127.0.0.1", port), Receiver) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:]))
