"""Commands and their actions, as the command line shows them."""

import argparse
import re

import pytest

from audio_model import cli
from audio_model.commands import add_action, add_actions, run_action

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
