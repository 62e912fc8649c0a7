"""What the command lines of the benchmarks share."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def parser_of(name: str, about: str | None) -> argparse.ArgumentParser:
    """Return the parser of ``python -m benchmarks.NAME``, which ``about`` describes."""
    return argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add ``--output``, the file of :func:`tell`."""
    parser.add_argument("--output", type=Path, help="JSON file to write as well")


def tell(markdown: str, figures: "DataclassInstance", output: Path | None) -> None:
    """Print the figures as Markdown, and write them as JSON where that is asked for."""
    print(markdown)
    if output is not None:
        output.write_text(json.dumps(asdict(figures), indent=1) + "\n", encoding="utf-8")
