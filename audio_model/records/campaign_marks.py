"""Marks of campaigns: what people decide on them, and what the marks of their calls say.

A recording that is played once is always played: nobody speaks the same samples twice. So a call
that is marked *recorded* says so of its whole campaign, and a live caller in a recorded campaign
contradicts that. A decision that somebody gave a reason for is changed by another decision alone.
"""

from dataclasses import dataclass

from audio_model.records.priority import Priority, QueueReason
from audio_model.records.store import ALLOWED, RECORDED, CallStore, StoredCampaign

_LIVE = "live"
_OPPOSITES = ({_LIVE, RECORDED}, {RECORDED, ALLOWED})
"""A live caller may meet an announcement that recurs; one that is recorded doesn't recur."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the mark of a call means for its campaign."""

    mark: str | None = None
    """The campaign's new mark; None if it stays."""
    contradicts: str = ""
    """What stands against the call's mark: the campaign's, or ``live`` for other calls' marks."""


def heard(store: CallStore, campaign: StoredCampaign, call: int, outcome: str) -> Meaning:
    """Return what the mark of a call means for its campaign.

    Args:
        store: the store of calls, where the call is settled by its marks already.
        campaign: as it stands.
        call: the call's number.
        outcome: ``recorded``, ``live``, or empty for a person who isn't sure.
    """
    if not outcome:
        return Meaning()
    if campaign.decided:
        stands = campaign.mark if {outcome, campaign.mark} in _OPPOSITES else ""
        return Meaning(contradicts=stands)
    agreed = store.call(call).settled == outcome
    if outcome == RECORDED:
        if campaign.mark or not agreed:
            return Meaning()
        if is_said(store, campaign.n, _LIVE):
            return Meaning(contradicts=_LIVE)
        return Meaning(mark=RECORDED)
    if not campaign.mark:
        return Meaning()
    if agreed and not is_said(store, campaign.n, RECORDED):
        return Meaning(mark="")
    return Meaning(contradicts=RECORDED)


def is_said(store: CallStore, campaign: int, settled: str) -> bool:
    """Return whether people's marks settle any call of a campaign as ``settled``."""
    return (
        store.one(
            "SELECT 1 FROM calls WHERE campaign = ? AND settled = ? AND settled != '' LIMIT 1",
            (campaign, settled),
        )
        is not None
    )


def put(store: CallStore, n: int, mark: str, who: str, now: float, note: str = "") -> list[int]:
    """Mark all calls of a campaign, and return those that were disputed.

    Args:
        store: the store of calls.
        n: the campaign's number.
        mark: RECORDED; ALLOWED for a recording that says nothing of its calls, such as music on
            hold; empty if it is no campaign after all.
        who: the person.
        now: when.
        note: why, in that person's words; empty if a mark of a single call marks its campaign.
    """
    is_kept = bool(mark or note)
    store.do(
        "UPDATE campaigns SET mark = ?, who = ?, marked = ?, note = ? WHERE n = ?",
        (mark, who if is_kept else "", now if is_kept else None, note, n),
    )
    if mark:
        store.do(
            "UPDATE calls SET queue = NULL, why = '' WHERE why = ? AND n = "
            "(SELECT exemplar FROM campaigns WHERE n = ?)",
            (QueueReason.CAMPAIGN.value, n),
        )
    store.do("DELETE FROM effects WHERE kind = 'campaign' AND campaign = ?", (n,))
    store.do("INSERT INTO effects VALUES (NULL, 'campaign', NULL, ?, ?, ?, 0)", (n, mark, who))
    rows = store.rows(
        # They are the first in the queue, however long it and the campaign are.
        "SELECT n FROM calls WHERE queue >= ? AND why = ? AND +campaign = ?",
        (Priority.of(QueueReason.DISPUTED, 0).value, QueueReason.DISPUTED.value, n),
    )
    return [int(call) for (call,) in rows]
