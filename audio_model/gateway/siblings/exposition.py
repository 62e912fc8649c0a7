"""The metrics of several processes as those of one server: each sample says whose it is."""

import re
from collections.abc import Mapping

_NAME = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{?)")


def labelled(texts: Mapping[int, str]) -> str:
    """Return the metrics of all processes, each sample with a label ``process``.

    Args:
        texts: what ``prometheus_client`` has written, by the number of the process. A family begins
            with its ``# HELP``. Source: Prometheus documentation, "Exposition formats".
    """
    families: dict[str, list[str]] = {}
    for number, text in texts.items():
        lines: list[str] = []
        begins = False
        for line in text.splitlines():
            if line.startswith("# HELP "):
                lines = families.setdefault(line.split(" ", 3)[2], [])
                begins = not lines
            if not line.startswith("#"):
                lines.append(_with_label(line, number))
            elif begins:
                lines.append(line)
    return "".join(f"{line}\n" for lines in families.values() for line in lines)


def _with_label(sample: str, number: int) -> str:
    match = _NAME.match(sample)
    if match is None:
        return sample
    others = "," if match[2] else "} "
    return f'{match[1]}{{process="{number}"{others}{sample[match.end() :].lstrip()}'
