"""The text of ``serve --help`` before its options and after them."""

DESCRIPTION = """\
Listen to live calls and say of each, within seconds, whether a recording is played or a live human
speaks. Gateways stream a call's audio here; the verdict goes back in the gateway's own way, to
GET /v1/events, and to a webhook. Whatever goes wrong, a call gets an answer by its deadline, and
the answer is then "unknown" with a reason: let such calls pass.

  ws://HOST:PORT/twilio      one path for each gateway: twilio, telnyx, plivo, exotel, vonage,
                             freeswitch, jambonz, audiohook (Genesys), asterisk
  ws://HOST:PORT/v1/stream   everyone else: binary messages of audio, verdicts as JSON text
                             (?encoding=mulaw|alaw|s16le&sample_rate=8000&channels=1)
  POST /v1/score             a recording, or raw audio with its Content-Type
  GET  /v1/calls[/ID]        what was said of calls; /v1/events: as it happens (SSE)
  POST /v1/rtpengine         hear a call that passes through rtpengine
  GET  /v1/ranges/NUMBER     what to do with a number's calls; POST /v1/feedback: what one was
  GET  /v1/campaigns         campaigns of recordings that run now
  GET  /healthz /readyz /metrics /openapi.json
"""

EPILOG = """\
every option has one name in three places, and the first that is given counts:
  --max-legs 500                        on the command line
  AUDIO_MODEL_SERVE_MAX_LEGS=500        in the environment
  max_legs = 500                        in the TOML file of --config
Secrets are read from files; in the environment one may stand itself, without _FILE:
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

SIGHUP: secrets, certificates, limits and stores are read again; the log names what needs a restart.
Ctrl-C or SIGTERM: no new calls, open legs are answered, webhooks are sent; a second one ends it at
once.
"""
