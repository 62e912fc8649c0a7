"""Measure how soon a server is ready: ``python -m benchmarks.gateway.start``.

Servers are started in turn with processes that only load a detector, for a server loads one, too.
How long either takes depends on the machine; their ratio hardly does.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from statistics import median

from benchmarks.gateway.load import serving
from benchmarks.startup import fresh_processes

DETECTOR = "from audio_model import Detector\nDetector.load()"


@dataclass(frozen=True)
class Ready:
    """Medians over ``rounds`` servers, from their start until they are ready."""

    wall_s: float
    cpu_s: float
    detector_cpu_s: float
    """Of processes that load a detector."""
    times_a_detector: float
    """The median ratio of the CPU times of each round."""
    rounds: int


def measure(rounds: int) -> Ready:
    """Start servers and detectors in turn."""
    found = []
    for _ in range(rounds):
        with serving() as server:
            wall_s, cpu_s = server.seconds_to_ready, server.usage().cpu_s
        detector_cpu_s = fresh_processes({"detector": DETECTOR}, rounds=1)["detector"].cpu_s
        found.append((wall_s, cpu_s, detector_cpu_s, cpu_s / detector_cpu_s))
    wall_s, cpu_s, detector_cpu_s, ratio = (median(column) for column in zip(*found, strict=True))
    return Ready(wall_s, cpu_s, detector_cpu_s, ratio, rounds)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="servers to start")
    print(json.dumps(asdict(measure(**vars(parser.parse_args(arguments)))), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
