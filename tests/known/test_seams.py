import numpy as np
import pytest

from audio_model.known.band import Grid
from audio_model.known.course import MAX_STEP, SEARCHES
from audio_model.known.fingerprint import fingerprint
from audio_model.known.recording import CODES_PER_POSITION, LearntBy, StoredRecording
from audio_model.known.seams import Mended, Mender
from benchmarks.known.slips import Slip, slip
from tests.known.calls import Samples, cut, spoken
from tests.sounds import SAMPLE_RATE

REACH = 64
RECORDING = spoken(6, seed=0)
STORED = StoredRecording(1, "", 0, 69, 0.0, 0.0, 1, LearntBy.NOBODY)
CODES = fingerprint(RECORDING).codes[::CODES_PER_POSITION]


def mended(call: Samples, low: int = -REACH) -> tuple[Mender, Mended]:
    """A call beside the recording, mended at alignments from a lowest one on."""
    heard = fingerprint(call)
    grid = Grid(heard.codes, STORED, CODES, low, low + 2 * REACH)
    mender = Mender(grid, heard.cepstra)
    found = mender.mend(SEARCHES[0])
    assert found is not None
    return mender, found


def slipped(kind: Slip, at: float, ms: float) -> Samples:
    return slip(RECORDING, kind, round(at * SAMPLE_RATE), round(ms * SAMPLE_RATE / 1000))


def test_nothing_is_undone_where_nothing_slipped() -> None:
    mender, found = mended(RECORDING)
    assert found.seams == ()
    assert found.begin == 0 and found.end >= 67
    (piece,) = mender.stretch(found).pieces
    assert piece.alignment == 0


@pytest.mark.parametrize("kind", list(Slip))
@pytest.mark.parametrize("ms", [64, 160, 250])
def test_codes_across_a_slip_agree_once_it_is_undone(kind: Slip, ms: float) -> None:
    mender, found = mended(slipped(kind, 3, ms))
    assert len(found.seams) == 1
    stretch = mender.stretch(found)
    before, behind = stretch.pieces
    moved = ms / 16 * (1 if kind in (Slip.DROP, Slip.SQUEEZE) else -1)
    assert before.alignment == 0
    assert behind.alignment == pytest.approx(moved, abs=1.5)
    # Of what dropped nothing is left to agree.
    lost = ms / 1000 + 0.4 if kind is Slip.DROP else 0.5 * ms / 1000 + 0.1
    assert stretch.evidence > 0.18 * (5.5 - lost) - 0.125
    assert stretch.n_codes > 62.5 * (5.2 - lost)


def test_alignments_are_found_wherever_the_band_lies() -> None:
    mender, found = mended(slipped(Slip.DROP, 2, 160), 10 - REACH)
    before, behind = mender.stretch(found).pieces
    assert before.alignment == pytest.approx(0, abs=1)
    assert behind.alignment == pytest.approx(10, abs=1)


def test_four_slips_in_three_seconds_leave_one_stretch() -> None:
    rng = np.random.default_rng(3)
    call = cut(RECORDING, 0, 4)
    for at in (3.2, 2.4, 1.6, 0.8):
        kind = Slip(str(rng.choice([Slip.REPEAT, Slip.DROP])))
        call = slip(call, kind, round(at * SAMPLE_RATE), round(0.1 * SAMPLE_RATE))
    mender, found = mended(call)
    assert len(found.seams) == 4
    stretch = mender.stretch(found)
    assert stretch.begin == 0 and stretch.end > 0.9 * len(fingerprint(call))


def test_other_speech_is_not_mended_into_agreement() -> None:
    """Beside ten voices, at four bands of alignments each, no slips make it agree for a second."""
    for seed in range(1, 11):
        heard = fingerprint(spoken(4, seed))
        for alignment in range(0, 100, 25):
            grid = Grid(heard.codes, STORED, CODES, alignment - REACH, alignment + REACH)
            mender = Mender(grid, heard.cepstra)
            for search in SEARCHES:
                found = mender.mend(search)
                assert found is None or mender.stretch(found).evidence < 0.1


def test_silence_is_like_nothing() -> None:
    heard = fingerprint(np.zeros(3 * SAMPLE_RATE, np.float32))
    grid = Grid(heard.codes, STORED, CODES, -REACH, REACH)
    assert Mender(grid, heard.cepstra).mend(SEARCHES[0]) is None


def test_what_moves_by_more_than_the_most_is_not_undone() -> None:
    """One side of it is left alone."""
    heard = fingerprint(slipped(Slip.DROP, 3, 1000 * 0.016 * (MAX_STEP + 12)))
    grid = Grid(heard.codes, STORED, CODES, -REACH, REACH)
    found = Mender(grid, heard.cepstra).mend(SEARCHES[0])
    assert found is not None and found.seams == ()
    assert len(found.course.alignments) == 1
