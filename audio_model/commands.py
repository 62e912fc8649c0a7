"""What the commands of the command line share: actions, options, exit statuses, messages."""

import argparse
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeAlias

from audio_model.errors import UsageError, printable
from audio_model.formats import suffix_of

EXIT_DONE = 0
EXIT_SOME = 1
"""Done, but some rows or recordings could not be taken."""

MAX_TOLD = 10
"""Problems of a command's input that are told one by one."""

# Quoted: at run time the class takes no parameter.
Actions: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class Command(Protocol):
    """A module that holds a command.

    Its ``run`` returns the exit status and raises AudioModelError.
    """

    DESCRIPTION: str
    EPILOG: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's options."""

    def run(self, args: argparse.Namespace) -> int:
        """Run the command and return its exit status."""


def add_actions(parser: argparse.ArgumentParser) -> Actions:
    """Make a command require one of its actions; return what :func:`add_action` adds to."""
    return parser.add_subparsers(required=True, metavar="ACTION")


def add_action(
    actions: Actions,
    name: str,
    action: Callable[[argparse.Namespace], int],
    about: str,
    *,
    store: str = "",
) -> argparse.ArgumentParser:
    """Add an action; return its parser. :func:`run_action` runs the action that was chosen.

    ``store`` says which store the action works on, if it works on one.
    """
    parser = actions.add_parser(name, help=about, description=about, allow_abbrev=False)
    parser.set_defaults(action=action)
    if store:
        parser.add_argument("store", metavar="STORE", help=store)
    return parser


def add_command(
    actions: Actions, name: str, command: Command, about: str
) -> argparse.ArgumentParser:
    """Add an action that has a module of its own; return its parser."""
    parser = actions.add_parser(
        name,
        help=about,
        description=command.DESCRIPTION,
        epilog=command.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(action=command.run)
    command.add_arguments(parser)
    return parser


def run_action(args: argparse.Namespace) -> int:
    """Run the action that was chosen; return the exit status. Raises AudioModelError."""
    action: Callable[[argparse.Namespace], int] = args.action
    return action(args)


@contextmanager
def needing_extra(command: str, extra: str, packages: Collection[str]) -> Iterator[None]:
    """Turn the lack of a package that an extra brings into a UsageError that says what to do."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in packages:
            raise
        raise UsageError(
            f"{command} needs {error.name}, which is not installed: "
            f'pip install "audio-model[{extra}]"'
        ) from error


def package_version(otherwise: str) -> str:
    """Return the version of this package, or something else if it is not installed."""
    # Loading it takes half the time in which nothing can answer Ctrl-C yet.
    from importlib import metadata

    try:
        return metadata.version("audio-model")
    except metadata.PackageNotFoundError:
        return otherwise


def check_ending(path: str, *endings: str, what: str = "the output") -> None:
    """Raise UsageError unless a file's name ends in one of some endings."""
    if suffix_of(path) not in endings:
        raise UsageError(f"{what}'s name must end in {' or '.join(endings)}: {printable(path)}")


def tell(message: object) -> None:
    """Print a line for the user on standard error, beside the command's output."""
    print(f"audio-model: {printable(str(message))}", file=sys.stderr)


def tell_problems(problems: Iterable[object]) -> int:
    """Tell the first problems, then how many more there are; return how many there are."""
    n = 0
    for n, problem in enumerate(problems, 1):
        if n <= MAX_TOLD:
            tell(problem)
    if n > MAX_TOLD:
        tell(f"and {n - MAX_TOLD} more rows")
    return n


def add_budget_argument(
    parser: argparse.ArgumentParser,
    default: float,
    about: str = "share of live callers who may be called recorded",
) -> None:
    """Add ``--max-false-alarm``, by which operating points are chosen."""
    parser.add_argument(
        "--max-false-alarm",
        type=float,
        default=default,
        metavar="RATE",
        help=f"{about} (default: %(default)s)",
    )


def add_seconds_argument(parser: argparse.ArgumentParser, default: float) -> None:
    """Add ``--max-seconds``, the audio that is heard of each recording."""
    parser.add_argument(
        "--max-seconds",
        type=float,
        default=default,
        metavar="S",
        help="hear the first S seconds of each recording (default: %(default)g)",
    )
