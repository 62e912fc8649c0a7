"""How often tests draw by chance. The quick ones draw a quarter, as of Hypothesis's examples."""

from hypothesis import settings


def draws(n: int) -> int:
    """So many draws when all tests run, a quarter of them when the quick ones do."""
    return n * settings().max_examples // settings.get_profile("all").max_examples
