"""Marks of people on calls: at the desk, on handsets, and their effect.

A mark of the desk counts for the call and, if it is *recorded*, for all calls of its campaign,
unless somebody has decided or marked otherwise there: that is disputed. Marks of handsets are
weighed: each source by the trust in it, and by how often the desk has agreed with it since.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import blake2b

from audio_model.decision import log_odds_of, sigmoid
from audio_model.records import campaign_marks, deeds, queue
from audio_model.records.deeds import Deed, DeedKind
from audio_model.records.priority import Priority, QueueReason
from audio_model.records.store import CallStore, StoredCall, StoredCampaign
from audio_model.tables.results import Outcome

DESK = ""
"""The source of marks that are given at the desk."""
DESK_TRUST = 0.98
"""Chance that a person who listened is right."""
SECOND_EARS = 20
"""One call in so many is heard by two people, to know how far they agree."""
MAX_LISTENERS = 3
"""After so many a call leaves the queue, whatever they said."""

_TRUST_WEIGHT = 10.0
"""Calls that the trust a source is given counts for, beside those that the desk has heard, too."""
_LEAST_CHANCE = 0.02
"""No score and no mark is taken to be surer than 1 less this."""


class Said(StrEnum):
    """A person's mark on a call."""

    RECORDED = "recorded"
    LIVE = "live"
    UNSURE = "unsure"
    WRONG_NUMBER = "wrong_number"
    """A person who reached somebody else than they meant: live, and no concern of the desk."""

    @property
    def outcome(self) -> str:
        """Return what the mark means: ``recorded``, ``live``, or nothing."""
        match self:
            case Said.RECORDED | Said.LIVE:
                return self.value
            case Said.WRONG_NUMBER:
                return Said.LIVE.value
            case Said.UNSURE:
                return ""


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark of a call or a number."""

    source: str
    """DESK, or the handsets' or program's that it came from."""
    who: str
    said: Said
    trust: float
    """Chance that such a mark is right, as it was given."""
    time: float | None
    """When it was said, seconds since 1970; None if that isn't known."""
    call: int | None = None
    number: str = ""


@dataclass(frozen=True, slots=True)
class Trust:
    """The trust in a source of marks."""

    source: str
    given: float
    marks: int
    compared: int
    """Calls that the desk has settled, too."""
    agreed: int

    @property
    def now(self) -> float:
        """Return the trust now: the mean of a beta distribution.

        It joins the trust that was given with what the desk has found since.
        """
        return (_TRUST_WEIGHT * self.given + self.agreed) / (_TRUST_WEIGHT + self.compared)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two people, or the desk and the detector, agreed."""

    compared: int
    same: int


def of_call(store: CallStore, call: int) -> list[Mark]:
    """Return the marks of a call, the oldest first."""
    return _marks(store, "call = ? ORDER BY marked", (call,))


def of_number(store: CallStore, number: str) -> list[Mark]:
    """Return the marks of a number that belong to no call in the store."""
    return _marks(store, "call IS NULL AND number = ? ORDER BY marked", (number,))


def give(store: CallStore, n: int, who: str, said: Said, now: float | None = None) -> Deed:
    """Mark a call at the desk. A second mark of a person takes the place of the first.

    Its consequences for number ranges and known recordings are noted as effects, which
    :mod:`audio_model.desk.effects` carries out. Returns its line of the log.

    Raises UnknownCallError.
    """
    now = time.time() if now is None else now
    with store.writing():
        call = store.call(n)
        before = [each for each in of_call(store, n) if each.source == DESK and each.who == who]
        campaign = None if call.campaign is None else store.campaign(call.campaign)
        state: dict[str, object] = {
            "said": said.value,
            "before": before[0].said.value if before else "",
            "before_time": before[0].time if before else 0.0,
            "settled": call.settled,
            "queue": call.queue,
            "why": call.why,
            "campaign": None if campaign is None else asdict(campaign),
        }
        write(store, Mark(DESK, who, said, DESK_TRUST, now, n, call.number), now)
        settle(store, n)
        if campaign is not None:
            state |= _mark_campaign(store, campaign, n, said, who, now)
        _effect(store, n, who, said)
        queue.release(store, n, who)
        line = deeds.note(store, who, DeedKind.MARKED, call=n, now=now, detail=state)
    return Deed(line, now, who, DeedKind.MARKED, n, "", state, False)


def undo(store: CallStore, who: str, now: float | None = None) -> Deed | None:
    """Take back a person's last mark or skip, and return it; None if there is none.

    The call is that person's again, unless somebody else hears it now.
    """
    now = time.time() if now is None else now
    with store.writing():
        deed = deeds.to_undo(store, who)
        if deed is None or deed.call is None:
            return None
        n, detail = deed.call, deed.detail
        if deed.what is DeedKind.SKIPPED:
            store.do("DELETE FROM skips WHERE call = ? AND who = ?", (n, who))
        else:
            _take_back(store, n, who, detail, now)
        store.do("UPDATE deeds SET undone = 1 WHERE n = ?", (deed.n,))
        detail = {"deed": deed.n, "yours": queue.take(store, n, who, now)}
        deeds.note(store, who, DeedKind.UNDONE, call=n, now=now, detail=detail)
    return deed


def settle(store: CallStore, n: int) -> None:
    """Decide a call by its marks, and whether someone should hear it again."""
    call = store.call(n)
    marks = of_call(store, n)
    heard = [each.said.outcome for each in marks if each.source == DESK]
    recorded, live = heard.count(Said.RECORDED.value), heard.count(Said.LIVE.value)
    settled = "" if recorded == live else ("recorded" if recorded > live else "live")
    store.do("UPDATE calls SET settled = ? WHERE n = ?", (settled, n))
    queue.put(store, n, _priority(call, marks, heard))


def settle_handsets(store: CallStore, n: int) -> None:
    """Put a call forward if handsets contradict the detector or each other."""
    call = store.call(n)
    marks = of_call(store, n)
    if not any(each.source == DESK for each in marks) and _is_hearable(call):
        priority = _disputed(call, marks)
        if priority is not None:
            queue.put(store, n, priority)


def probability(call: StoredCall, marks: Sequence[Mark], trusts: Mapping[str, float]) -> float:
    """Return the chance that a call is recorded, by the detector and all marks together.

    Log odds are added, as if each source had heard the call by itself. Without any it is 0.5.
    """
    odds = log_odds_of(call.score, _LEAST_CHANCE) if call.score is not None else 0.0
    for each in marks:
        outcome = each.said.outcome
        if outcome:
            weight = log_odds_of(trusts.get(each.source, each.trust), _LEAST_CHANCE)
            odds += weight if outcome == Said.RECORDED else -weight
    return sigmoid(odds)


def trusts(store: CallStore) -> list[Trust]:
    """Return each source of marks but the desk: its trust, and how often it was right."""
    rows = store.rows(
        "SELECT source, avg(trust), count(*), "
        "total(calls.settled != '' AND mark IN ('recorded', 'live', 'wrong_number')), "
        "total(calls.settled != '' AND calls.settled = "
        "CASE mark WHEN 'wrong_number' THEN 'live' ELSE mark END) "
        "FROM marks LEFT JOIN calls ON calls.n = marks.call WHERE source != ? "
        "GROUP BY source ORDER BY source",
        (DESK,),
    )
    return [Trust(source, given, n, int(of), int(same)) for source, given, n, of, same in rows]


def between_people(store: CallStore) -> Agreement:
    """Return how far people at the desk agree on the calls that two of them heard."""
    rows = store.rows(
        "SELECT a.mark, b.mark, count(*) FROM marks AS a JOIN marks AS b ON b.call = a.call "
        "AND b.source = '' AND b.who > a.who WHERE a.source = '' GROUP BY 1, 2"
    )
    pairs = [(Said(a).outcome, Said(b).outcome, n) for a, b, n in rows]
    return _agreement([pair for pair in pairs if pair[0] and pair[1]])


def with_detector(store: CallStore) -> Agreement:
    """Return how far the desk agrees with the detector where both have decided."""
    rows = store.rows(
        "SELECT settled, outcome, count(*) FROM calls WHERE n IN (SELECT call FROM marks "
        "WHERE source = '' AND call IS NOT NULL) AND settled != '' "
        "AND outcome IN ('recorded', 'live') GROUP BY 1, 2"
    )
    return _agreement(rows)


def _agreement(pairs: Sequence[tuple[str, str, int]]) -> Agreement:
    return Agreement(sum(n for _, _, n in pairs), sum(n for a, b, n in pairs if a == b))


def _priority(call: StoredCall, marks: Sequence[Mark], heard: Sequence[str]) -> Priority | None:
    """Return the place in the queue of a marked call; None if it was heard enough."""
    decided = {each for each in heard if each}
    if not heard:
        return _disputed(call, marks) if _is_hearable(call) else None
    if len(heard) >= MAX_LISTENERS or not _is_hearable(call):
        return None
    if len(decided) > 1:
        return Priority.of(QueueReason.DISPUTED, 0.9)
    if len(heard) == 1 and (not decided or _has_second_ears(call)):
        return Priority.of(QueueReason.SECOND, 0.5 if decided else 0.8)
    return None


def _disputed(call: StoredCall, marks: Sequence[Mark]) -> Priority | None:
    """Return a place for a call on which handsets contradict each other, or the detector."""
    outcomes = {each.said.outcome for each in marks} - {""}
    told = call.outcome in (Outcome.RECORDED, Outcome.LIVE)
    if len(outcomes) > 1 or (told and outcomes and outcomes != {call.outcome.value}):
        said = probability(call, marks, {})
        return Priority.of(QueueReason.DISPUTED, 0.8 * (1 - abs(2 * said - 1)))
    return None


def _has_second_ears(call: StoredCall) -> bool:
    digest = blake2b(call.id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % SECOND_EARS == 0


def _is_hearable(call: StoredCall) -> bool:
    return bool(call.path) and not call.error


def _mark_campaign(
    store: CallStore, campaign: StoredCampaign, n: int, said: Said, who: str, now: float
) -> dict[str, object]:
    """Apply a mark to the call's campaign, or dispute it; returns what the log says of that."""
    heard = campaign_marks.heard(store, campaign, n, said.outcome)
    if heard.mark is not None:
        mark_campaign(store, campaign.n, heard.mark, who, now)
    call = store.call(n)
    ears = sum(each.source == DESK for each in of_call(store, n))
    if heard.contradicts and ears < MAX_LISTENERS and _is_hearable(call):
        queue.put(store, n, Priority.of(QueueReason.DISPUTED, 0.9))
    after = campaign.mark if heard.mark is None else heard.mark
    return {"contradicts": heard.contradicts, "campaign_mark": after}


def mark_campaign(
    store: CallStore, n: int, mark: str, who: str, now: float, note: str = ""
) -> None:
    """Mark all calls of a campaign, which ends disputes about it.

    The arguments are those of :func:`audio_model.records.campaign_marks.put`.
    """
    with store.writing():
        for call in campaign_marks.put(store, n, mark, who, now, note):
            settle(store, call)


def _take_back(
    store: CallStore, n: int, who: str, detail: Mapping[str, object], now: float
) -> None:
    said = str(detail["before"])
    store.do("DELETE FROM marks WHERE call = ? AND source = ? AND who = ?", (n, DESK, who))
    call = store.call(n)
    if said:
        at = float(str(detail["before_time"]))
        write(store, Mark(DESK, who, Said(said), DESK_TRUST, at, n, call.number), at)
    settle(store, n)
    if not any(each.source == DESK for each in of_call(store, n)):
        store.do(
            "UPDATE calls SET queue = ?, why = ? WHERE n = ?", (detail["queue"], detail["why"], n)
        )
    campaign = detail["campaign"]
    if isinstance(campaign, Mapping):
        found = store.campaign(int(str(campaign["n"])))
        mark = str(campaign["mark"])
        # What others marked, and what anybody decided since then, stays.
        if (
            found is not None
            and not found.decided
            and found.who in (who, "")
            and found.mark != mark
            and (mark or not campaign_marks.is_said(store, found.n, found.mark))
        ):
            mark_campaign(store, found.n, mark, str(campaign["who"]), now)
    _effect(store, n, who, Said(said) if said else None)


def _effect(store: CallStore, n: int, who: str, said: Said | None) -> None:
    """Note the news about a call for ranges and known recordings."""
    outcome = store.call(n).settled
    store.do("DELETE FROM effects WHERE kind = 'call' AND call = ?", (n,))
    store.do(
        "INSERT INTO effects VALUES (NULL, 'call', ?, NULL, ?, ?, 0)",
        (n, outcome, who if said is not None else ""),
    )


def write(store: CallStore, mark: Mark, marked: float) -> None:
    """Keep a mark in the place of the same person's earlier one; ``marked`` is when it came."""
    where = "call = ?" if mark.call is not None else "call IS NULL AND number = ?"
    store.do(
        f"DELETE FROM marks WHERE {where} AND source = ? AND who = ?",
        (mark.number if mark.call is None else mark.call, mark.source, mark.who),
    )
    store.do(
        "INSERT INTO marks VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(mark.call, mark.number, mark.source, mark.who, mark.said.value, mark.trust),
            *(mark.time, marked),
        ),
    )


def _marks(store: CallStore, where: str, values: Sequence[object]) -> list[Mark]:
    rows = store.rows(
        f"SELECT source, who, mark, trust, time, call, number FROM marks WHERE {where}", values
    )
    return [Mark(source, who, Said(said), *rest) for source, who, said, *rest in rows]
