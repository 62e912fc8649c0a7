"""Make the list of sounds that may recur in any call: ``python -m training.corpora.sounds``.

The list holds fingerprints of Asterisk's music on hold and of the prompts that a caller's line says
before anybody speaks, in five languages. They come from Debian packages with free licences, which
are downloaded and not installed. ``audio-model known sounds STORE`` adds them to a store.

The list has no tones. A network's tones are known by their frequencies and cadences (ITU-T E.180),
but a fingerprint leaves nothing of a steady tone, and noise around a tone is never the same twice.
``python -m benchmarks.known.tones`` shows that calls with the same tone don't match.
"""

import argparse
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from audio_model import audio
from audio_model.files import write_bytes
from audio_model.known.fingerprint import fingerprint
from audio_model.known.recording import CODES_PER_POSITION, POSITIONS_PER_SECOND
from audio_model.known.sounds import SOUNDS, Sound
from training.corpora.download import archive_version, debian

MAX_SECONDS = 600.0

MUSIC = "asterisk-moh-opsound-wav"
LANGUAGES = ("en", "es", "fr", "it", "ru")
PROMPTS = tuple(f"asterisk-core-sounds-{language}-wav" for language in LANGUAGES)
SAID_BY_A_LINE = (
    "all-circuits-busy-now",
    "call-waiting",
    "cannot-complete-as-dialed",
    "check-number-dial-again",
    "conf-onlyperson",
    "feature-not-avail-line",
    "number-not-answering",
    "one-moment-please",
    "pbx-invalid",
    "pbx-transfer",
    "please-try-call-later",
    "pls-hold-while-try",
    "priv-callpending",
    "privacy-prompt",
    "privacy-unident",
    "queue-callswaiting",
    "queue-holdtime",
    "queue-periodic-announce",
    "queue-thankyou",
    "queue-thereare",
    "queue-youarenext",
    "simul-call-limit-reached",
    "sorry-youre-having-problems",
    "ss-noservice",
    "tt-allbusy",
    "vm-intro",
    "vm-isonphone",
    "vm-isunavail",
    "vm-leavemsg",
    "vm-nobodyavail",
    "vm-rec-busy",
    "vm-rec-unv",
)
"""Prompts without menus, passwords and what an owner of a mailbox hears."""


def main() -> None:
    """Make the list anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, default=Path("build/packages"))
    parser.add_argument("--output", type=Path, default=SOUNDS)
    args = parser.parse_args()
    sounds = list(music(args.packages)) + list(prompts(args.packages))
    write(args.output, sounds)
    seconds = sum(len(sound.codes) for sound in sounds) / POSITIONS_PER_SECOND
    print(f"{args.output}: {len(sounds)} sounds, {seconds / 60:.1f} minutes")


def music(packages: Path) -> Iterator[Sound]:
    """Yield the music on hold."""
    archive, folder = debian(MUSIC, packages)
    print(f"{MUSIC} {archive_version(archive)}")
    for path in sorted(folder.glob("usr/share/asterisk/moh/*.wav")):
        yield sound_of(path, f"music on hold: {path.stem}")


def prompts(packages: Path) -> Iterator[Sound]:
    """Yield the prompts of a line that are long enough to be known by."""
    for package in PROMPTS:
        archive, folder = debian(package, packages)
        print(f"{package} {archive_version(archive)}")
        for voice in sorted(folder.glob("usr/share/asterisk/sounds/*")):
            for name in SAID_BY_A_LINE:
                path = voice / f"{name}.wav"
                if path.is_file() and (sound := sound_of(path, f"{voice.name}: {name}")).is_known:
                    yield sound


def sound_of(path: Path, name: str) -> Sound:
    """Return a file's sound."""
    samples = audio.read(path, max_seconds=MAX_SECONDS)
    return Sound(name, fingerprint(samples).codes[::CODES_PER_POSITION])


def write(path: Path, sounds: Sequence[Sound]) -> None:
    """Write a list of sounds."""
    content = io.BytesIO()
    np.savez_compressed(
        content,
        names=np.array([sound.name for sound in sounds]),
        ends=np.cumsum([len(sound.codes) for sound in sounds]),
        codes=np.concatenate([sound.codes for sound in sounds]),
    )
    write_bytes(path, content.getvalue())


if __name__ == "__main__":
    main()
