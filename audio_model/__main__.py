"""``python -m audio_model``: the command line."""

import sys

from audio_model.cli import main

if __name__ == "__main__":
    sys.exit(main())
