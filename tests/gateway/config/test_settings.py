import argparse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.cli import main
from audio_model.errors import UsageError
from audio_model.gateway.asterisk.action import Action, HangUp
from audio_model.gateway.config import options
from audio_model.gateway.config.settings import Settings, add_arguments
from audio_model.gateway.config.values import Address, LogFormat, PortRange
from tests.gateway.serving import settings_of

ENV = "AUDIO_MODEL_SERVE_"


def toml(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "serve.toml"
    path.write_text(text, "utf-8")
    return ["--config", str(path)]


def test_defaults() -> None:
    chosen = settings_of()
    assert chosen == Settings()
    assert chosen.listening.host == "127.0.0.1"
    assert chosen.listening.port == 8080
    assert chosen.detection.deadline_seconds == 4.0
    assert chosen.limits.max_legs == 2000
    assert chosen.records.hash_numbers
    assert chosen.protocols.audiosocket is None
    assert chosen.records.keep_audio is None


def test_flags_go_before_environment_before_file_before_defaults(tmp_path: Path) -> None:
    config = toml(tmp_path, "max_legs = 10\nport = 20\nidle_seconds = 30\n")
    environ = {ENV + "MAX_LEGS": "11", ENV + "PORT": "21"}
    chosen = settings_of(*config, "--max-legs", "12", environ=environ)
    assert chosen.limits.max_legs == 12
    assert chosen.listening.port == 21
    assert chosen.limits.idle_seconds == 30
    assert chosen.limits.max_connections == 5000


def test_a_config_file_can_be_named_in_the_environment(tmp_path: Path) -> None:
    _, path = toml(tmp_path, "port = 20\n")
    assert settings_of(environ={ENV + "CONFIG": path}).listening.port == 20


def test_a_variable_that_is_empty_is_not_set() -> None:
    assert settings_of(environ={ENV + "PORT": ""}).listening.port == 8080


def test_every_kind_of_value_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    config = toml(
        tmp_path,
        f"""
        host = "::1"
        hash_numbers = false
        deadline_seconds = 3
        audiosocket = "[::1]:9092"
        audiosocket_hangup = "recorded"
        rtp_ports = "20000-20100"
        log_format = "json"
        token_file = "{secret}"
        ami_address = "pbx.example.org:5038"
        ami_user = "detector"
        ami_secret_file = "{secret}"
        ami_action = "hangup"
        """,
    )
    chosen = settings_of(*config)
    assert chosen.listening.host == "::1"
    assert not chosen.records.hash_numbers
    assert chosen.detection.deadline_seconds == 3.0
    assert chosen.protocols.audiosocket == Address("::1", 9092)
    assert str(chosen.protocols.audiosocket) == "[::1]:9092"
    assert chosen.protocols.audiosocket_hangup is HangUp.RECORDED
    assert chosen.protocols.rtp_ports == PortRange(20000, 20100)
    assert chosen.records.log_format is LogFormat.JSON
    assert chosen.access.token is not None and chosen.access.token.value == "s3cret"
    assert chosen.ami.address == Address("pbx.example.org", 5038)
    assert chosen.ami.action is Action.HANGUP


def test_a_switch_is_a_flag_and_its_opposite() -> None:
    environ = {ENV + "HASH_NUMBERS": "no"}
    assert not settings_of(environ=environ).records.hash_numbers
    assert settings_of("--hash-numbers", environ=environ).records.hash_numbers
    assert not settings_of("--no-hash-numbers").records.hash_numbers


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("max_leg = 1", r"there is no option 'max_leg'; max_legs is meant\?"),
        ("nothing_like_it_at_all = 1", "there is no option 'nothing_like_it_at_all'$"),
        ('token = "abc"', "there is no option 'token'; token_file is meant"),
        ('port = "http"', "port: must be a whole number, 0 to 65535, not 'http'"),
        ("port = 80.5", "port: must be a whole number"),
        ("port = true", "port: must be PORT, not true or false"),
        ("port = 65536", "port: must be a whole number, 0 to 65535, not '65536'"),
        ("port = [1]", "port: must be one value, not a table"),
        ("[port]\na = 1", "port: must be one value, not a table"),
        ("hash_numbers = 1", "hash_numbers: must be true or false, without quotes"),
        ("deadline_seconds = nan", "deadline_seconds: must be a number, 0.1 to 3600, not 'nan'"),
        ("deadline_seconds = 0", "deadline_seconds: must be a number"),
        ('audiosocket = "9092"', "audiosocket: must be HOST:PORT, not '9092'"),
        ('audiosocket = "a:٣"', "audiosocket: must be HOST:PORT"),
        ('audiosocket = "a..b:1"', "audiosocket: must be HOST:PORT; 'a..b' is not a host name"),
        ('rtp_ports = "5-4"', "rtp_ports: must rise from 1024"),
        ('rtp_ports = "5"', "rtp_ports: must be FIRST-LAST, not '5'"),
        ('log_level = "loud"', "log_level: must be debug or info or warning or error, not 'loud'"),
        ('webhook_url = "ftp://x"', "webhook_url: must begin with http:// or https://"),
        ('webhook_url = "http://a..b/x"', "webhook_url: must be the address of a host"),
        ('webhook_url = "http://[::1/x"', "webhook_url: must be the address of a host"),
        ('webhook_url = "https://host:99999/"', "webhook_url: must be the address of a host"),
        ('webhook_url = "https://:8080/"', "webhook_url: must be the address of a host"),
        ('webhook_url = "https://a b/"', "webhook_url: must be the address of a host"),
        ('token_file = "/nowhere/token"', "token_file: /nowhere/token: No such file"),
        ('tls_key = "/nowhere/key"', "tls_key: /nowhere/key: No such file"),
        ('host = ""', "host: must be text"),
        ("= 5", "not TOML: "),
    ],
)
def test_an_error_names_the_option_and_its_file(tmp_path: Path, line: str, says: str) -> None:
    config = toml(tmp_path, line)
    with pytest.raises(UsageError, match=says) as error:
        settings_of(*config)
    assert str(error.value).startswith(config[1])


def test_a_file_may_begin_with_the_mark_that_an_editor_puts_there(tmp_path: Path) -> None:
    _, file = toml(tmp_path, "max_legs = 7")
    Path(file).write_text(Path(file).read_text("utf-8"), "utf-8-sig")
    assert settings_of("--config", file).limits.max_legs == 7


def test_an_error_names_the_flag_or_the_variable() -> None:
    with pytest.raises(UsageError, match=r"^--max-legs: must be a whole number"):
        settings_of("--max-legs", "many")
    with pytest.raises(UsageError, match=r"^AUDIO_MODEL_SERVE_PORT: .* not 'tcp://10.0.0.1:80'"):
        settings_of(environ={ENV + "PORT": "tcp://10.0.0.1:80"})
    with pytest.raises(UsageError, match=r"^--config: /nowhere.toml: No such file"):
        settings_of("--config", "/nowhere.toml")


def test_secrets_come_from_files_or_the_environment_and_never_from_flags(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("  from-file \n")
    plain = {ENV + "TOKEN": "from-environment"}
    for chosen, value in [
        (settings_of("--token-file", str(path)), "from-file"),
        (settings_of(environ=plain), "from-environment"),
        (settings_of(environ={ENV + "TOKEN_FILE": str(path)}), "from-file"),
        (settings_of("--token-file", str(path), environ=plain), "from-file"),
    ]:
        assert chosen.access.token is not None
        assert chosen.access.token.value == value
        assert value not in repr(chosen)
    with pytest.raises(SystemExit):
        settings_of("--token", "abc")
    with pytest.raises(UsageError, match="TOKEN and AUDIO_MODEL_SERVE_TOKEN_FILE are both set"):
        settings_of(environ={**plain, ENV + "TOKEN_FILE": str(path)})
    path.write_text("\n")
    with pytest.raises(UsageError, match=r"^--token-file: the secret is empty"):
        settings_of("--token-file", str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="is not text"):
        settings_of("--token-file", str(path))


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--tls-key", __file__], "--tls-certificate and --tls-key"),
        (["--webhook-url", "https://x"], "--webhook-url and --webhook-secret-file"),
        (["--webhook-secret-file", __file__], "--webhook-url and --webhook-secret-file"),
        (["--genesys-client-secret-file", __file__], "needs --genesys-api-key-file"),
        (["--ami-address", "127.0.0.1:5038"], "--ami-address needs --ami-user"),
        (
            ["--ari-address", "127.0.0.1:8088", "--audiosocket", "a:1"],
            "--ari-address needs --ari-user",
        ),
        (
            ["--ari-address", "a:1", "--ari-user", "a", "--ari-secret-file", __file__],
            "--ari-address needs --audiosocket",
        ),
        (["--keep-audio", __file__], "is not a folder"),
        (["--ranges", "/nowhere/ranges.db"], "--ranges: /nowhere: is not a folder"),
        (["--ranges", "/"], "--ranges: /: is not a file"),
        (["--ranges-honest-share", "1"], "must be a number"),
    ],
)
def test_what_does_not_go_together_is_refused(flags: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        settings_of(*flags)


def test_names_are_the_same_everywhere_and_meant_once() -> None:
    names = [one.name for group in options.groups(Settings) for one in group.options]
    assert len(names) == len(set(names))
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    flags = {flag for action in parser._actions for flag in action.option_strings}
    assert {"--" + name.replace("_", "-") for name in names} <= flags


def test_the_help_shows_every_option_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as status:
        main(["serve", "--help"])
    assert status.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for group in options.groups(Settings):
        for one in group.options:
            assert one.flag in text
            assert one.help and one.help in text.replace("- ", "-")
    assert "(default: 2000)" in text
    assert "AUDIO_MODEL_SERVE_MAX_LEGS=500" in text
    assert "max_legs = 500" in text


def test_wrong_usage_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "nine"]) == 2
    assert capsys.readouterr().err.startswith("audio-model: --port: must be a whole number")


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_a_usage_error(value: str) -> None:
    for group in options.groups(Settings):
        for one in group.options:
            try:
                one.kind(value)
            except ValueError as error:
                assert "\n" not in str(error) or "\n" in value


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("MAX_LEG", "AUDIO_MODEL_SERVE_MAX_LEGS"),
        ("TOKEN_FIEL", "AUDIO_MODEL_SERVE_TOKEN_FILE"),
        ("WEBHOOK_SECRT", "AUDIO_MODEL_SERVE_WEBHOOK_SECRET"),
        ("max_legs", "AUDIO_MODEL_SERVE_MAX_LEGS"),
    ],
)
def test_a_variable_that_nobody_reads_is_refused_by_name(variable: str, meant: str) -> None:
    name = f"AUDIO_MODEL_SERVE_{variable}"
    if variable.islower():
        # Read by nobody, too: names of variables have their case.
        with pytest.raises(UsageError, match=f"{name}: .*{meant}"):
            settings_of(environ={name: "5"})
        return
    with pytest.raises(UsageError, match=f"{name}: .*{meant} is meant"):
        settings_of(environ={name: "5"})
    assert settings_of(environ={name: "", "AUDIO_MODEL_SERVER": "x"}) == settings_of()
