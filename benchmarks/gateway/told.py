"""Tell the process that started this one what was measured, as JSON on standard output."""

import json
import sys


def hand_over(values: object) -> None:
    """Print values as one line of JSON, to its last byte.

    With ``PYTHONUNBUFFERED`` set, ``print`` writes as much as a pipe takes at once and drops the
    rest without a word.
    """
    with open(sys.stdout.fileno(), "w", closefd=False, encoding="utf-8") as output:
        print(json.dumps(values), file=output)
