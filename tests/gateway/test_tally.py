from audio_model.gateway.tally import LEGS, Tally, legs_of


class Elsewhere:
    def __init__(self) -> None:
        self.told: dict[str, int] = {}

    def tell(self, kind: str, number: int) -> None:
        self.told[kind] = number

    def elsewhere(self, kind: str) -> int:
        return 10 if kind == LEGS else 0


def test_what_is_open_is_counted_here_and_elsewhere() -> None:
    tally, elsewhere = Tally(), Elsewhere()
    tally.add(LEGS, 1)
    tally.add(LEGS, 1)
    assert (tally.own(LEGS), tally.total(LEGS), tally.total(legs_of("acme"))) == (2, 2, 0)
    tally.share(elsewhere)
    # Others are told what was open before they came.
    assert elsewhere.told == {LEGS: 2}
    tally.add(LEGS, -1)
    tally.add(legs_of("acme"), 1)
    assert elsewhere.told == {LEGS: 1, legs_of("acme"): 1}
    assert (tally.own(LEGS), tally.total(LEGS), tally.total(legs_of("acme"))) == (1, 11, 1)
