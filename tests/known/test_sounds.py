"""Sounds that come with the product may recur: a call that holds one is heard as if it did not."""

from pathlib import Path

import numpy as np

from audio_model.known.fingerprint import N_CEPSTRAL, N_KEY_BITS, NOTHING, PATCH_FRAMES, Fingerprint
from audio_model.known.matcher import Matcher
from audio_model.known.recording import CODES_PER_POSITION, RecordingMark
from audio_model.known.sounds import allow_sounds, sounds
from audio_model.known.store import Store


def test_each_has_a_name_of_its_own_and_enough_to_be_known_by() -> None:
    all_sounds = sounds()
    assert len({sound.name for sound in all_sounds}) == len(all_sounds) > 100
    assert all(sound.is_known for sound in all_sounds)
    music = [sound for sound in all_sounds if sound.name.startswith("music on hold")]
    assert len(music) == 5 and all((sound.codes != NOTHING).mean() > 0.5 for sound in music)


def test_a_store_takes_them_once_and_a_persons_mark_stays(tmp_path: Path) -> None:
    with Store(tmp_path / "known.db") as store:
        n = allow_sounds(store)
        assert n == len(sounds()) == len(store)
        recordings = list(store.recordings())
        assert all(recording.may_recur for recording in recordings)
        store.mark(recordings[0].id, RecordingMark.CAMPAIGN)
        store.remove(recordings[1].id)
        assert allow_sounds(store) == 1
        taken = store.recording(recordings[0].id)
        assert taken is not None and taken.mark is RecordingMark.CAMPAIGN


def test_a_call_that_holds_one_is_heard_as_if_it_did_not() -> None:
    with Store(":memory:") as store:
        allow_sounds(store)
        for sound in sounds()[::20]:
            call = np.repeat(sound.codes[:60], CODES_PER_POSITION)
            matcher = Matcher(store)
            margins = np.ones((len(call), N_KEY_BITS), np.float32)
            cepstra = np.zeros((len(call) + PATCH_FRAMES - 1, N_CEPSTRAL), np.float16)
            matcher.add(Fingerprint(call, margins, cepstra))
            assert sound.name in [match.recording.name for match in matcher.allowed]
            assert matcher.match is None
