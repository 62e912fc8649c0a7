"""The text of ``serve --help`` before its options and after them."""

DESCRIPTION = """\
Listen to live calls and tell within seconds whether a recording is played or a live human speaks.
Gateways stream a call's audio to this server. The verdict goes back in the gateway's own way, to
GET /v1/events, and to a webhook. If anything goes wrong, the call still gets an answer by its
deadline: "unknown" with a reason. Let such calls pass.

  ws://HOST:PORT/twilio      one path for each gateway: twilio, telnyx, plivo, exotel, vonage,
                             freeswitch, jambonz, audiohook (Genesys), asterisk
  ws://HOST:PORT/v1/stream   everyone else: binary messages of audio, verdicts as JSON text
                             (?encoding=mulaw|alaw|s16le&sample_rate=8000&channels=1)
  POST /v1/score             a recording, or raw audio with its Content-Type
  GET  /v1/calls[/ID]        calls and their verdicts; /v1/events: as they happen (SSE)
  POST /v1/rtpengine         hear a call that passes through rtpengine
  GET  /v1/ranges/NUMBER     what to do with a number's calls; POST /v1/feedback: mark a call
  GET  /v1/campaigns         campaigns of recordings that run now
  GET  /healthz /readyz /metrics /openapi.json
"""

EPILOG = """\
every option can be set in three places, and the first of these counts:
  --max-legs 500                        on the command line
  AUDIO_MODEL_SERVE_MAX_LEGS=500        in the environment
  max_legs = 500                        in the TOML file of --config
Secrets are read from files. The environment may also hold the secret itself, without _FILE:
  AUDIO_MODEL_SERVE_TOKEN=...           instead of --token-file

examples:
  audio-model serve                                       on this machine alone, port 8080
  audio-model serve --audiosocket 127.0.0.1:9092          for Asterisk, too
  audio-model serve --host 0.0.0.0 --token-file /etc/audio-model/token \\
      --tls-certificate cert.pem --tls-key key.pem        for others, safely
  audio-model serve --twilio-auth-token-file twilio.txt --public-url https://calls.example.org
  audio-model serve --webhook-url https://example.org/verdicts --webhook-secret-file hook.txt
  audio-model serve --config serve.toml

try it (another terminal):
  curl -F file=@call.wav http://127.0.0.1:8080/v1/score
  curl -N http://127.0.0.1:8080/v1/events

On SIGHUP, secrets, certificates, limits and stores are read again; the log names what needs a
restart. On Ctrl-C or SIGTERM, the server takes no new calls, answers open legs, sends webhooks and
ends. A second signal ends it at once.
"""
