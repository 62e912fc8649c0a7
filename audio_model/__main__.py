"""Run the command line with ``python -m audio_model``."""

import sys

from audio_model.cli import main

if __name__ == "__main__":
    sys.exit(main())
