"""Config files: what they may say, and what is said of those that say something else."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from audio_model.errors import UsageError
from training import config
from training.config import Config, DataConfig, TrainConfig, load
from training.corpora import public
from training.corpora.build import BUILDERS
from training.corpora.prompts import PACKAGES
from training.network import NetworkConfig
from training.settings import from_dict

CONFIGS = Path(config.__file__).parent / "configs"


def write(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load(path)
    message = str(caught.value)
    assert str(path) in message
    return message


def test_a_manifest_is_enough(tmp_path: Path) -> None:
    settings = load(write(tmp_path, '[data]\nmanifests = ["m.csv"]\n'))
    assert settings == Config(DataConfig((tmp_path / "m.csv",)))


def test_a_config_may_begin_with_the_mark_that_an_editor_puts_there(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('[data]\r\nmanifests = ["m.csv"]\r\n', encoding="utf-8-sig")
    assert load(file).data.manifests == (tmp_path / "m.csv",)


def test_every_section_is_read(tmp_path: Path) -> None:
    text = """
        [data]
        manifests = ["data/m.csv"]
        beds = "../noise.csv"
        [split]
        dev = 0.2
        [split.holdout]
        prompts = "test"
        [unmet]
        manifest = "../unmet.csv"
        [unmet.groups]
        lines = ["calls", "robocalls"]
        [line]
        codec = 1
        level_db = [-30, -10.5]
        [scene]
        seconds = 2.5
        [network]
        conv_channels = [8, 16, 16]
        dilations = [1, 2]
        [train]
        epochs = 3
        [calibration]
        budgets = [0.1, 0.5]
    """
    settings = load(write(tmp_path, text))
    assert settings.data.manifests == (tmp_path / "data/m.csv",)
    assert settings.data.beds == tmp_path.parent / "noise.csv"
    assert settings.split.dev == 0.2
    assert settings.split.holdout == {"prompts": "test"}
    assert settings.unmet.manifest == tmp_path.parent / "unmet.csv"
    assert settings.unmet.groups == {"lines": ("calls", "robocalls")}
    assert (settings.line.codec, settings.line.level_db) == (1.0, (-30.0, -10.5))
    assert isinstance(settings.line.codec, float)
    assert settings.scene.seconds == 2.5
    assert settings.network == NetworkConfig(conv_channels=(8, 16, 16), dilations=(1, 2))
    assert settings.train == replace(TrainConfig(), epochs=3)
    assert settings.calibration.budgets == (0.1, 0.5)


def test_an_absolute_path_stays(tmp_path: Path) -> None:
    assert load(write(tmp_path, "[data]\nmanifests = ['/x/m.csv']")).data.manifests == (
        Path("/x/m.csv"),
    )


def test_paths_start_at_the_file_not_at_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs").mkdir()
    write(tmp_path / "configs", "[data]\nmanifests = ['m.csv']")
    monkeypatch.chdir(tmp_path)
    assert load(Path("configs/run.toml")).data.manifests == (tmp_path / "configs/m.csv",)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "data"),
        ("[data]\n", "manifest"),
        ("[data]\nmanifests = ['m.csv']\nmanifset = 'm'", "data.manifset"),
        ("[data]\nmanifests = ['m.csv']\n[trian]\nepochs = 3", "trian"),
        ("[data]\nmanifests = ['m.csv']\n[train]\nepoch = 3", "train.epoch"),
        ("[data]\nmanifests = ['m.csv']\n[train]\nepochs = 'three'", "train.epochs"),
        ("[data]\nmanifests = ['m.csv']\n[train]\nepochs = 3.5", "train.epochs"),
        ("[data]\nmanifests = ['m.csv']\n[train]\nepochs = 0", "train.epochs"),
        ("[data]\nmanifests = ['m.csv']\n[train]\nbatch_size = 0", "train.batch_size"),
        ("[data]\nmanifests = ['m.csv']\n[train]\nscenes = 63", "train.scenes"),
        ("[data]\nmanifests = ['m.csv']\n[train]\nlearning_rate = '1e-3'", "train.learning_rate"),
        ("[data]\nmanifests = ['m.csv']\n[line]\nlevel_db = [-30, 'x']", "line.level_db"),
        (
            "[data]\nmanifests = ['m.csv']\n[network]\nconv_channels = [16, 16]",
            "network.conv_channels",
        ),
        ("[data]\nmanifests = ['m.csv']\n[split]\nholdout = ['a']", "split.holdout"),
        ("[data]\nmanifests = ['m.csv']\n[split.folds]\na = ['x']", "split.folds"),
        ("[data]\nmanifests = ['m.csv']\n[unmet]\nmanifest = 3", "unmet.manifest"),
        ("[data]\nmanifests = ['m.csv']\n[unmet]\ngroups = ['a']", "unmet.groups"),
        ("[data]\nmanifests = ['m.csv']\n[calibration]\nmax_miss = 0.1", "calibration.max_miss"),
        ("data = 'm.csv'", "data"),
        ("[data", "not TOML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, named: str) -> None:
    assert named in refused(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.toml")


def test_a_binary_file_is_no_config(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(b"\xff\xfe\x00")
    assert "not TOML" in refused(tmp_path / "run.toml")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.name)
def test_shipped_configs_can_be_read(path: Path) -> None:
    assert load(path).data.manifests[0].is_absolute()


def test_the_public_config_names_corpora_that_can_be_fetched_or_made() -> None:
    settings = load(CONFIGS / "public.toml")
    made = {f"made_{name}" for name in BUILDERS} | {p.voice.corpus for p in PACKAGES}
    named = {*settings.data.leave_out, *settings.split.holdout}
    assert named <= made | public.load(public.TABLE).keys()
    assert {path.parent.name for path in settings.data.manifests} == {"public", "made"}


def test_settings_survive_a_checkpoint() -> None:
    settings = Config(DataConfig((Path("m.csv"),), beds=Path("b.csv")))
    settings = replace(settings, network=NetworkConfig(dilations=(1, 3)))
    assert from_dict(Config, asdict(settings)) == settings
    text = json.dumps(asdict(settings), default=str)
    assert from_dict(Config, json.loads(text)) == settings
