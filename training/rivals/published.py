"""Published results of others: other calls, other tasks, their own test. Not a comparison."""

from typing import NamedTuple


class Published(NamedTuple):
    """A published result."""

    who: str
    figures: str
    source: str


PUBLISHED = (
    Published(
        "Asterisk AMD in the field",
        "78 to 85 % right at its defaults, 85 to 95 % tuned; decides after 1.7 s in the median",
        "vendors' claims",
    ),
    Published(
        "VM Hunter, acoustic AMD, CNN of 584 thousand parameters",
        "2 s of audio: 2.2 % of humans lost, 1.1 % of machines passed; "
        "macro-F1 0.68 after 1 s, 0.98 after 2 s",
        "its repository",
    ),
    Published(
        "Pause timing (Silero VAD) and trees, voicemail",
        "96.1 % right on 764 calls; 0.3 % false positives, 1.3 % false negatives in production",
        "Saurav, arXiv 2604.09675",
    ),
    Published(
        "Robocall against human, from voicemails",
        "93 % right",
        "Elizalde and Emmanouilidou, Microsoft",
    ),
    Published("YAMNet and GRU, voicemail", "above 96 % right", "arXiv 2410.08235"),
    Published(
        "AASIST-L, synthetic speech, 85 thousand parameters",
        "EER 1 % in its own corpus, 13 to 16 % in later ones, 44 % in the wild",
        "Jung et al., arXiv 2110.01200, and benchmarks of it",
    ),
    Published("Twilio AMD", "94 % right", "vendor's claim"),
)
