import subprocess
import sys

import pytest

from audio_model.cli import main

EXTRA = ("aiohttp", "uvloop", "msgspec", "prometheus_client")


@pytest.mark.parametrize("package", EXTRA)
def test_a_missing_package_is_one_line_that_says_what_to_install(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("audio_model.gateway.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["serve"]) == 2
    assert capsys.readouterr().err == (
        f"audio-model: serve needs {package}, which is not installed: "
        'pip install "audio-model[gateway]"\n'
    )


def test_its_help_and_the_package_need_none_of_them() -> None:
    code = "import sys, audio_model; from audio_model.cli import main\n"
    code += f"try: main(['serve', '--help'])\nfinally: assert not set({EXTRA}) & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
