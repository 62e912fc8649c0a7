"""Commands and their actions, as the command line shows them."""

import argparse
import re

import pytest

from audio_model import cli
from audio_model.commands import (
    MAX_TOLD,
    add_action,
    add_actions,
    check_ending,
    needing_extra,
    run_action,
    tell_problems,
)
from audio_model.errors import UsageError

ACTIONS = {
    "known": ["add", "match", "list", "remove", "mark", "merge", "campaigns"],
    "ranges": ["count", "mark", "export", "allow"],
    "ranges allow": ["list", "add", "remove", "import", "export"],
    "desk": ["serve", "import", "person", "marks", "statistics", "export"],
}


def help_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", ACTIONS)
def test_a_command_names_its_actions_and_each_has_help(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command.split()
    shown = help_of(words, capsys)
    for action in ACTIONS[command]:
        assert re.search(rf"^    {action}\s", shown, re.MULTILINE)
        usage = f"usage: audio-model {command} {action} "
        assert help_of([*words, action], capsys).startswith(usage)


@pytest.mark.parametrize("command", ACTIONS)
def test_a_command_without_an_action_is_wrong_usage(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(command.split())
    assert ended.value.code == cli.EXIT_USAGE
    assert "ACTION" in capsys.readouterr().err


def test_the_action_that_was_chosen_runs() -> None:
    parser = argparse.ArgumentParser()
    actions = add_actions(parser)
    add_action(actions, "one", lambda args: int(args.more) + 1, "first").add_argument("more")
    add_action(actions, "two", lambda args: int(args.more) + 2, "second").add_argument("more")
    assert run_action(parser.parse_args(["two", "40"])) == 42


def test_the_first_problems_are_told_and_all_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tell_problems([]) == 0
    assert tell_problems(["白名单\n, row 2"]) == 1
    assert capsys.readouterr().err == "audio-model: 白名单\\n, row 2\n"
    assert tell_problems(f"row {n}" for n in range(MAX_TOLD + 2)) == MAX_TOLD + 2
    told = capsys.readouterr().err.splitlines()
    assert told[MAX_TOLD - 1].endswith(f"row {MAX_TOLD - 1}")
    assert told[MAX_TOLD:] == ["audio-model: and 2 more rows"]


@pytest.mark.parametrize("path", ["a", "a.csvs", "a.csv/b", "表\n.txt"])
def test_an_ending_that_is_none_of_those_wanted_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match=r"^the page's name must end in \.csv or \.html: [^\n]+$"):
        check_ending(path, ".csv", ".html", what="the page")
    check_ending("a.CSV", ".csv", ".html")


@pytest.mark.parametrize(
    ("missing", "error", "told"),
    [
        ("aiohttp.web", UsageError, r'serve needs aiohttp\.web, .*"audio-model\[gateway\]"'),
        ("numpy", ModuleNotFoundError, "^$"),
    ],
)
def test_a_package_that_an_extra_brings_is_named_with_its_extra(
    missing: str, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told), needing_extra("serve", "gateway", {"aiohttp"}):
        raise ModuleNotFoundError(name=missing)
