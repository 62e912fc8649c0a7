"""``audio-model`` with a detector that hears nothing, for tests that kill it.

FAKE_SECONDS is how long each recording takes.
"""

import sys

from audio_model import cli
from audio_model.batch import score_folder
from tests.batch import deadly

if __name__ == "__main__":
    score_folder._load_same = deadly.load  # type: ignore[assignment]
    sys.exit(cli.main())
