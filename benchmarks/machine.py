"""The machine that a benchmark runs on."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """The machine that a benchmark ran on."""

    processor: str
    cores: int
    load: float
    """Processes that wanted to run, mean of the last minute, this one included."""
    python: str
    libraries: dict[str, str]


def machine(libraries: Sequence[str]) -> Machine:
    """Describe this machine and the versions of these packages, of those that are installed."""
    described = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.split(":")[1].strip() for line in described if line.startswith("model name"))
    return Machine(
        processor=next(names, platform.machine()),
        cores=os.cpu_count() or 1,
        load=os.getloadavg()[0],
        python=platform.python_version(),
        libraries={name: version(name) for name in libraries if find_spec(name)},
    )
