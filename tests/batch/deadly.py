"""A detector that hears nothing, and dies of some recordings.

One named ``deadly*`` kills the process that scores it; ``deadly-once*`` does so until ``died`` is
beside it.
"""

import os
import signal
from pathlib import Path
from typing import Any

from audio_model.batch.score_folder import FolderRun
from audio_model.decision import Verdict
from tests.fake_detector import FakeDetector


class DeadlyDetector(FakeDetector):
    def score(self, recording: Any, *args: Any, name: str = "", **options: Any) -> Verdict:
        path = Path(name or recording)
        if path.name.startswith("deadly"):
            died = path.with_name("died")
            if not (path.name.startswith("deadly-once") and died.exists()):
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().score(recording, *args, name=name, **options)


def load(given: FolderRun, sha256: str) -> DeadlyDetector:
    """In the place of `audio_model.batch.score_folder._load_same`, in any process."""
    return DeadlyDetector()
