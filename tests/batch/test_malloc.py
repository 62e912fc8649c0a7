"""That a long job doesn't pay for its memory again with each recording."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

# glibc gives memory back as its own past decides, what was imported included: each figure comes
# from a fresh process that begins with the thresholds of glibc's manual, mallopt(3).
AS_GIVEN = "glibc.malloc.mmap_threshold=131072:glibc.malloc.trim_threshold=131072"
PROGRAM = """
import resource, sys
from audio_model import audio
from audio_model.batch.malloc import keep_freed_memory
if sys.argv[2] == "kept":
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    audio.read(sys.argv[1], max_seconds=4)
before = faults()
for _ in range(20):
    audio.read(sys.argv[1], max_seconds=4)
print((faults() - before) / 20)
"""


def page_faults_a_recording(path: Path, kept: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), kept],
        env={**os.environ, "GLIBC_TUNABLES": AS_GIVEN},
        stdout=subprocess.PIPE,
        check=True,
    )
    return float(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_memory_is_mapped_once_and_not_for_each_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 160_000)
    soundfile.write(path, noise, 16000)
    assert page_faults_a_recording(path, "kept") < 5 < 50 < page_faults_a_recording(path, "given")
