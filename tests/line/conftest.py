import pytest

from audio_model.fitting import metrics
from audio_model.line.guard import Condition


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw intervals quickly, for tests of commands: :mod:`tests.line.test_judge` asserts them."""
    whole = metrics.bootstrap
    monkeypatch.setattr(metrics, "bootstrap", lambda *given, n: whole(*given, n=20))


def held(monkeypatch: pytest.MonkeyPatch, holds: bool) -> None:
    """Let every guard hold, or none: what it says is tested with :mod:`tests.line.test_judge`."""
    told = [Condition("told", holds)]
    monkeypatch.setattr("audio_model.line.tune.conditions", lambda *_: told)


@pytest.fixture
def guard_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    held(monkeypatch, True)


@pytest.fixture
def guard_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    held(monkeypatch, False)
