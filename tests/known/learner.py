"""A program that hears calls and learns from them: ``learner.py STORE FIRST STEP CALLS``.

Call ``n`` plays message ``n // 8``; a program hears every so many of them, and prints each one that
is over.
"""

import sys

from audio_model.known.follow import KnownRecordings
from audio_model.stream import PhoneCall
from tests.known.calls import played, spoken
from tests.known.test_fuse import UNSURE

CALLS_A_MESSAGE = 8


def main() -> None:
    path, *numbers = sys.argv[1:]
    first, step, n_calls = map(int, numbers)
    known = KnownRecordings(path, learn=True)
    for number in range(first, n_calls, step):
        follower = known.follow(PhoneCall(f"call {number}", 1000.0 + 60 * number))
        follower.hear(played(spoken(4, number // CALLS_A_MESSAGE), number))
        follower.flush()
        follower.conclude(UNSURE)
        print(number, flush=True)
    known.close()


if __name__ == "__main__":
    main()
