"""Imports point one way: a room knows the rooms below it, and none beside or above it.

Imports inside functions count as those at the top do, and so do those for type checkers alone: who
needs another's types knows it.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "audio_model"

LAYERS = (
    {"errors", "frontend", "companding", "times"},
    {"files", "formats", "model_file", "processes", "sqlite", "steps", "pages"},
    {"commands", "decoders", "rule", "onset"},
    {"decision"},
    {"audio", "model", "fitting"},
    {"stream"},
    {"detector"},
    {"tables"},
    {"sources"},
    {"known", "ranges"},
    {"scoring", "records"},
    {"batch", "report", "gateway"},
    {"line", "desk"},
    {"cli"},
    {"__init__", "__main__"},
)
"""The rooms of the package, the lowest first. Those of one layer know nothing of each other."""

OF_AN_EXTRA = {
    ("gateway",): {"msgspec", "prometheus_client", "uvloop", "yarl"},
    ("gateway", "desk"): {"aiohttp"},
    ("batch.cluster",): {"ray"},
    ("sources.remote",): {"fsspec", "s3fs"},
}
"""What only an extra installs, and the rooms or the module that may import it."""


def modules() -> dict[str, Path]:
    """All modules by their names."""
    found = {}
    for path in (ROOT / PACKAGE).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


@cache
def imports(module: str) -> frozenset[str]:
    """The names of the modules that a module imports, anywhere in it."""
    return frozenset(_imported(MODULES[module]))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, f"{path}: relative imports"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def test_every_room_has_its_layer() -> None:
    rooms = [room for layer in LAYERS for room in layer]
    assert sorted(rooms) == sorted({room_of(name) for name in MODULES})


def test_the_page_on_how_it_works_names_every_room_and_nothing_else() -> None:
    page = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    table = page.partition("| module | stage |")[2].partition("\n\n")[0]
    named = re.findall(r"`([a-z_]+)(?:/|\.py)`", table)
    rooms = {room for layer in LAYERS for room in layer if not room.startswith("__")}
    assert sorted(named) == sorted(rooms)


@pytest.mark.parametrize("package", sorted(n for n, p in MODULES.items() if p.stem == "__init__"))
def test_the_map_of_a_package_names_what_is_there(package: str) -> None:
    text = ast.get_docstring(ast.parse(MODULES[package].read_text(encoding="utf-8"))) or ""
    named = {f"{package}.{name}" for name in re.findall(r"``([a-z_.]+)``", text)}
    assert named <= MODULES.keys()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down(module: str) -> None:
    height = {room: number for number, layer in enumerate(LAYERS) for room in layer}
    own = room_of(module)
    up = {
        name
        for name in imports(module) & MODULES.keys()
        if room_of(name) != own and height[room_of(name)] >= height[own]
    }
    assert not up, f"{module} imports what is above or beside it"


def test_no_modules_import_each_other_in_a_circle() -> None:
    # Raises CycleError, which names the circle.
    TopologicalSorter({name: imports(name) & MODULES.keys() - {name} for name in MODULES}).prepare()


def test_a_public_class_s_name_is_no_other_s() -> None:
    of_name: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                of_name.setdefault(node.name, []).append(module)
    assert not {name: each for name, each in of_name.items() if len(each) > 1}


def test_only_its_own_room_imports_what_an_extra_brings() -> None:
    for own, brought in OF_AN_EXTRA.items():
        allowed = tuple(f"{PACKAGE}.{each}" for each in own)
        inside = tuple(f"{each}." for each in allowed)
        elsewhere = {
            name
            for name in MODULES
            if name not in allowed
            and not name.startswith(inside)
            and brought & {each.partition(".")[0] for each in imports(name)}
        }
        assert not elsewhere, f"{brought} are imported"
