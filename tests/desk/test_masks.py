import pytest

from audio_model.desk.masks import mask, mask_text


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("95213742", "9521****"),
        ("9521", "9521"),
        ("95588", "9558*"),
        ("+8613912345678", "+861391*****78"),
        ("?95213001122", "?9521*****22"),
        ("withheld", "withheld"),
        ("", ""),
    ],
)
def test_a_number_shows_its_segment_alone(number: str, masked: str) -> None:
    assert mask(number) == masked


def test_numbers_in_paths_are_hidden() -> None:
    assert mask_text("/calls/2026/13912345678-in.wav") == "/calls/2026/1391*****78-in.wav"
