"""What a guide points at is there."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
TEMPLATE = Path("training/evaluation/model_card.md")
"""MODEL_CARD.md is made of it, and its links are meant beside that."""
LINK = re.compile(r"\]\(([^)\s]+)\)")


def guides() -> list[Path]:
    told = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [path for line in told.stdout.splitlines() if (path := Path(line)) != TEMPLATE]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_no_guide_has_a_link_that_leads_nowhere() -> None:
    """The site's builder checks pages and anchors; folders and other files are checked here."""
    missing = []
    for guide in guides():
        for target in LINK.findall((ROOT / guide).read_text(encoding="utf-8")):
            path = unquote(target.partition("#")[0])
            if "://" in target or target.startswith("mailto:") or not path:
                continue
            if not (ROOT / guide.parent / path).exists():
                missing.append(f"{guide}: {target}")
    assert missing == []
