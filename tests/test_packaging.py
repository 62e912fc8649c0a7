"""What is declared agrees with itself, and the runtime stays light."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
HEAVY = (
    "torch",
    "torchaudio",
    "librosa",
    "scipy",
    "matplotlib",
    "pandas",
    "training",
    "ray",
    "fsspec",
)
SERVING = ("aiohttp", "uvloop", "msgspec", "prometheus_client", "audio_model.gateway")


def declared() -> Iterator[Requirement]:
    """What the package needs, what its extras need, and what works on the repository needs."""
    about: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = about["project"]
    groups = [*project["optional-dependencies"].values(), *about["dependency-groups"].values()]
    for group in (project["dependencies"], *groups):
        yield from map(Requirement, group)


def test_an_extra_brings_what_the_package_itself_imports() -> None:
    """What only tests, training or the site need is in a group, which no installation offers."""
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = set(about["dependency-groups"])
    assert groups == {"training", "dev", "docs"}
    assert not groups & set(about["project"]["optional-dependencies"])


def pins() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_every_dependency_is_pinned_to_a_version_that_it_admits() -> None:
    assert {requirement.name for requirement in declared()} == set(pins())
    for requirement in declared():
        assert requirement.specifier.contains(pins()[requirement.name]), str(requirement)


def test_scoring_imports_nothing_heavy() -> None:
    program = f"""
import sys, audio_model.batch.command
print([name for name in {HEAVY + SERVING!r} if name in sys.modules])
"""
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


def test_the_changelog_has_one_section_that_is_not_released_and_one_heading_of_each_kind() -> None:
    sections = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.M)[
        1:
    ]
    titles = [section.partition("\n")[0] for section in sections]
    assert [title for title in titles if "nreleased" in title] == ["[Unreleased]"]
    for title, section in zip(titles, sections, strict=True):
        kinds = re.findall(r"^### (.*)$", section, flags=re.M)
        assert len(kinds) == len(set(kinds)), title
        assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_no_file_of_the_repository_is_ignored() -> None:
    """The linter and the formatter pass over what is, and a new file beside it gets lost."""
    ignored = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    listed = subprocess.run(ignored, cwd=ROOT, capture_output=True, text=True, check=True)
    assert listed.stdout == ""
