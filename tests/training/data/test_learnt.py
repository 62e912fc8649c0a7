"""What a network learnt from, counted by corpus, class and voice."""

from pathlib import Path

from tests import clips
from training.config import Config, DataConfig, SplitConfig
from training.data.corpus import Corpus
from training.data.learnt import LearntCorpus, LearntData
from training.data.split import SplitName


def test_every_clip_of_the_manifest_is_counted(tmp_path: Path) -> None:
    manifest = clips.write_corpus(tmp_path, voices=16, clips_each=2, corpora=2, seconds=0.2)
    corpus = Corpus.load(Config(DataConfig((manifest,))))
    learnt = LearntData.of(corpus)
    assert learnt.clips == len(corpus.clips(SplitName.TRAIN)) > 0
    assert learnt.clips == sum(of.clips_learnt for of in learnt.corpora)
    assert len(corpus.manifest.clips) == sum(of.clips for of in learnt.corpora) > learnt.clips
    voices = {clip.group for clip in corpus.clips(SplitName.TRAIN) if clip.label is not None}
    assert learnt.live_callers + learnt.recorded_voices == len(voices)
    assert [of.class_name for of in learnt.corpora] == sorted(
        of.class_name for of in learnt.corpora
    )


def test_a_corpus_tells_its_kinds_and_licences_once(tmp_path: Path) -> None:
    manifest = clips.write_corpus(tmp_path, voices=2, seconds=0.2, n_tones=2)
    settings = Config(DataConfig((manifest,)), split=SplitConfig(dev=0.0, test=0.0))
    (tones,) = (
        of for of in LearntData.of(Corpus.load(settings)).corpora if of.class_name == "neither"
    )
    assert tones == LearntCorpus(tones.name, "neither", "tone", "", clips=2, clips_learnt=2)
