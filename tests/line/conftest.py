import pytest

from audio_model.fitting import metrics


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw intervals quickly, for tests of commands: :mod:`tests.line.test_judge` asserts them."""
    whole = metrics.bootstrap
    monkeypatch.setattr(metrics, "bootstrap", lambda *given, n: whole(*given, n=20))
