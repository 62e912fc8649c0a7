"""Count calls, move breakers, and advise on numbers."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from audio_model.ranges import breaker, sketch
from audio_model.ranges.alarm import MOST, comes_from_all_over, smallest_ranges
from audio_model.ranges.breaker import Change, Policy, Why
from audio_model.ranges.named import wider_than
from audio_model.ranges.numbers import Number, normalise
from audio_model.ranges.rates import CallAnswer, MarkedAs
from audio_model.ranges.tree import Node, Nodes, RangeCall, State, children, path_of
from audio_model.times import DAY_SECONDS

FRESH_SECONDS = DAY_SECONDS
"""How old a call may be for a person's mark of it to move a breaker: as long as one opens at most.
"""
_SEVERITY = {State.CLOSED: 0, State.WARNED: 1, State.HALF_OPEN: 2, State.OPEN: 3}


@dataclass(frozen=True)
class Advice:
    """The advice on a number's calls. The gateway acts on it or not."""

    number: Number
    state: State
    prefix: str
    """The range that the state is of; the number's own key while closed."""
    allowed: str = ""
    """The entry of the allow-list that the number falls under, which always wins."""
    since: float = 0.0
    until: float = 0.0
    too_wide: bool = False
    """Whether that range is of many owners: it is warned of, and never blocked."""


def is_fresh(call: RangeCall, now: float) -> bool:
    """Return whether a call is recent enough at a moment to say something of its range then."""
    return now - call.time <= FRESH_SECONDS


class Monitor:
    """The tree, its tests and its breakers, over whatever keeps the nodes."""

    def __init__(self, nodes: Nodes, policy: Policy, allowed: Collection[str] = ()) -> None:
        """Watch a tree of nodes.

        Args:
            nodes: kept by the caller, in memory or on disk.
            policy: the thresholds and times of breakers.
            allowed: prefixes that never warn or open; looked at anew with each call.
        """
        self.nodes, self.policy, self.allowed = nodes, policy, allowed

    def hear(
        self, call: RangeCall, before: RangeCall | None = None, *, now: float | None = None
    ) -> list[Change]:
        """Count a call and return the changes that follow from it, in order.

        Args:
            call: a call whose verdict is final.
            before: the same call as it was counted with a less sure verdict. It is taken back.
            now: when it is counted; None for the time of the call. Breakers stand as they do then.
            A
                call from long before is counted and is no evidence.
        """
        now = call.time if now is None else now
        called = sketch.fingerprint(call.called) if call.called else 0
        spared = bool(self._allowed_by(call.number))
        test = self.policy.test
        counted: set[str] = set()
        if before is not None:
            for prefix in before.number.prefixes:
                if (node := self.nodes.get(prefix)) is None:
                    break
                node.take_back(before)
                counted.add(prefix)

        def count(node: Node) -> float:
            gain = test.gain(call.outcome, node)
            if before is not None and node.prefix in counted:
                gain -= test.gain(before.outcome, node)
            node.count(call, called)
            node.blocked += node.state is State.OPEN and before is None and not spared
            return gain

        return self._follow(call, now, count, call.outcome, speaks=is_fresh(call, now))

    def mark(
        self,
        call: RangeCall,
        mark: MarkedAs | None,
        before: MarkedAs | None,
        now: float,
        said_before: float | None = None,
    ) -> list[Change]:
        """Count a person's mark on a call, in the place of the mark ``before``.

        A mark of a call that is older than FRESH_SECONDS is counted, and is no evidence: an old
        call says nothing about the range's calls now.

        Args:
            call: as it was heard.
            mark: the mark now; None if there is none: the call counts as the detector heard it.
            before: the mark before; None if there was none.
            now: when it is marked.
            said_before: when it was marked before; None for now.
        """
        gains, heard = self.policy.test.mark_gains, self.policy.test.gains[call.outcome]
        new = mark if is_fresh(call, now) else None
        old = before if is_fresh(call, now if said_before is None else said_before) else None
        gain = (gains[new] if new else heard) - (gains[old] if old else heard)

        def count(node: Node) -> float:
            node.count_mark(mark, before)
            since = (new is MarkedAs.RECORDED) - (old is MarkedAs.RECORDED)
            node.marked_since = max(0, node.marked_since + since)
            return gain

        return self._follow(call, now, count, CallAnswer.UNHEARD, speaks=new is not old)

    def _follow(
        self,
        call: RangeCall,
        now: float,
        count: Callable[[Node], float],
        said: CallAnswer,
        *,
        speaks: bool,
    ) -> list[Change]:
        """Count a call in its nodes, and move their breakers if it ``speaks`` for or against them.

        ``count`` counts in a node and returns the evidence that it adds there.
        """
        number = call.number
        changes, held = self._settle(number, now)
        spared = not speaks or bool(self._allowed_by(number))
        path: list[Node] = []
        for node in path_of(self.nodes, number, now):
            gain = count(node)
            if not spared:
                self._weigh(node, held, said, gain, now)
            path.append(node)
        return changes if spared else changes + self._judge(number, path, held, now)

    def tick(self, now: float, held: Collection[str]) -> list[Change]:
        """Let states end when their time is over. ``held`` are the prefixes that are not closed."""
        found = [node for prefix in held if (node := self.nodes.get(prefix)) is not None]
        return [change for node in found for change in self._expire(node, now)]

    def allow(self, prefix: str, held: Collection[str], now: float) -> list[Change]:
        """Close the breakers of ``held``, the prefixes held in a range that a person allowed.

        The range itself is always among the changes. A wider one stays as it is: the allowed
        numbers in it pass all the same.
        """
        return [
            self._changed(each, Why.ALLOWED, now)
            if (node := self.nodes.get(each)) is None or not node.held
            else breaker.enter(node, State.CLOSED, Why.ALLOWED, now, self.policy)
            for each in sorted({prefix, *held})
        ]

    def put(self, prefix: str, state: State, now: float) -> list[Change]:
        """Move a breaker because a person says so; a range that never called gets a node.

        So do the wider ones: a number is looked up from the widest down.
        """
        node = self.nodes.get(prefix)
        if self._allowed_within(prefix) or (node.state if node else State.CLOSED) is state:
            return []
        for each in (*wider_than(prefix), prefix):
            if self.nodes.get(each) is None:
                self.nodes[each] = Node(each, first=now, last=now)
        node = self.nodes.get(prefix)
        assert node is not None
        return [breaker.enter(node, state, Why.PERSON, now, self.policy)]

    def disallow(self, prefix: str, now: float) -> Change:
        """Say that a range is allowed no more. Its breaker stays as it is."""
        return self._changed(prefix, Why.DISALLOWED, now)

    def _changed(self, prefix: str, why: Why, now: float) -> Change:
        """Return a change that leaves the breaker of a range as it is."""
        node = self.nodes.get(prefix)
        if node is None:
            return Change(now, prefix, State.CLOSED, State.CLOSED, why, (), 0.0, {})
        evidence = breaker.evidence_of(node, self.policy, now)
        return Change(now, prefix, node.state, node.state, why, (), node.until, evidence)

    def advise(self, text: str, now: float) -> Advice:
        """Return the advice on a number now. Changes nothing."""
        number = normalise(text)
        allowed = self._allowed_by(number)
        if allowed:
            return Advice(number, State.CLOSED, number.key, allowed)
        advice = Advice(number, State.CLOSED, number.key)
        for depth, prefix in enumerate(number.prefixes):
            node = self.nodes.get(prefix)
            if node is None:
                break
            state = breaker.state_at(node, now, self.policy)
            too_wide = depth < number.too_wide
            if too_wide and (depth >= len(number.wide) or state is not State.WARNED):
                # A store of an earlier version may hold a breaker for what has none.
                continue
            if _SEVERITY[state] > _SEVERITY[advice.state] or (
                state is State.WARNED is advice.state and advice.too_wide
            ):
                until = node.until if state is node.state else 0.0
                advice = Advice(
                    number, state, prefix, too_wide=too_wide, since=node.since, until=until
                )
        return advice

    def _settle(self, number: Number, now: float) -> tuple[list[Change], Node | None]:
        """Let a number's ranges expire, and return the held one that its calls belong to, if any.

        It is the widest one that is open, or else the narrowest one that is warned of.
        """
        changes: list[Change] = []
        held: Node | None = None
        for depth, prefix in enumerate(number.prefixes):
            node = self.nodes.get(prefix)
            if node is None:
                break
            if node.held:
                changes += self._expire(node, now)
            if depth < number.too_wide:
                continue
            if node.held and (held is None or held.state is State.WARNED):
                held = node
        return changes, held

    def _weigh(
        self, node: Node, held: Node | None, said: CallAnswer, gain: float, now: float
    ) -> None:
        """Add a call's evidence where it may count.

        A range that is held explains its calls: those above it hear no more of them. Below it, they
        count while it is only warned of, for it might open in part.
        """
        if held is None or node is held:
            node.note(said)
            if node.state is State.HALF_OPEN:
                node.evidence += gain
            else:
                node.add_evidence(gain, now)
            if node.state in (State.WARNED, State.HALF_OPEN):
                node.until = now + self.policy.quiet_seconds
        elif len(node.prefix) > len(held.prefix):
            if held.state is State.WARNED:
                node.note(said)
                node.add_evidence(gain, now)
            else:
                node.drop_evidence()

    def _judge(
        self, number: Number, path: list[Node], held: Node | None, now: float
    ) -> list[Change]:
        """Move the breakers of one call's nodes: of the one that is held, or of the narrowest."""
        changes: list[Change] = []
        if held is not None:
            changes += self._judge_one(held, now)
        else:
            for depth in range(len(path) - 1, -1, -1):
                node, taken = path[depth], path[depth].evidence
                if depth >= number.too_wide and taken >= self.policy.least_warning:
                    changes += self._judge_one(node, now)
                elif depth < len(number.wide) and not any(each.held for each in path[:depth]):
                    changes += self._judge_wide(node, now)
                if changes:
                    # What was found here is explained: the wider ranges go on without it.
                    for wider in path[:depth]:
                        if not wider.held:
                            wider.drop_evidence(taken)
                    break
        if changes and changes[-1].after in (State.WARNED, State.OPEN):
            changes += self._widen(number, path, changes[-1], now)
        return changes

    def _widen(
        self, number: Number, path: list[Node], last: Change, now: float
    ) -> Iterator[Change]:
        """Warn of the range above, or open it, if most of what is in it is held one by one.

        A caller who moves through a range from one end to the other has it held piece by piece. A
        range of many owners is only warned of.
        """
        found = [depth for depth, node in enumerate(path) if node.prefix == last.prefix[:-1]]
        if not found or len(number.wide) <= found[0] < number.too_wide:
            return
        wider = path[found[0]]
        after = State.WARNED if found[0] < number.too_wide else last.after
        if _SEVERITY[wider.state] >= _SEVERITY[after]:
            return
        parts = [node.prefix for node in children(self.nodes, wider.prefix) if node.held]
        if len(parts) > MOST:
            yield breaker.enter(wider, after, Why.MOST, now, self.policy, tuple(parts))

    def _judge_wide(self, node: Node, now: float) -> Iterator[Change]:
        """Warn of a range of many owners, from all over which recordings come.

        No narrower range explains them, or it would be held. It is never opened.
        """
        policy = self.policy
        if node.state is State.WARNED:
            # No more than opens others, so that it is gone as soon as people call again.
            node.evidence = min(node.evidence, policy.open_at(node))
            if node.evidence == 0 and not any(
                part.held for part in children(self.nodes, node.prefix)
            ):
                yield breaker.enter(node, State.CLOSED, Why.GONE, now, policy)
        elif (
            node.state is State.CLOSED
            and node.evidence >= policy.warn_at(node)
            and breaker.is_told(node)
            and comes_from_all_over(self.nodes, node, policy.test, now)
        ):
            yield breaker.enter(node, State.WARNED, Why.WIDE, now, policy)

    def _judge_one(self, node: Node, now: float) -> Iterator[Change]:
        policy, evidence = self.policy, node.evidence
        match node.state:
            case State.CLOSED if evidence >= policy.warn_at(node) and breaker.is_heard(node):
                yield from self._hold(node, State.WARNED, now)
            case State.WARNED if evidence >= policy.open_at(node) and breaker.is_told(node):
                yield from self._hold(node, State.OPEN, now)
            case State.WARNED if evidence == 0:
                yield breaker.enter(node, State.CLOSED, Why.GONE, now, policy)
            case State.HALF_OPEN if evidence >= policy.trial_at and breaker.is_told(node):
                yield breaker.enter(node, State.OPEN, Why.FAILED, now, policy)
            case State.HALF_OPEN if evidence <= -policy.trial_at:
                yield breaker.enter(node, State.CLOSED, Why.PASSED, now, policy)

    def _hold(self, alarmed: Node, state: State, now: float) -> Iterator[Change]:
        found = smallest_ranges(self.nodes, alarmed, self.policy.test, now)
        parts = [part for part in found if breaker.is_heard(part) or part.held] or [alarmed]
        if parts == [alarmed]:
            yield breaker.enter(alarmed, state, Why.EVIDENCE, now, self.policy)
            return
        if alarmed.state is State.CLOSED:
            alarmed.drop_evidence()
        else:
            names = tuple(part.prefix for part in parts)
            yield breaker.enter(alarmed, State.CLOSED, Why.EXPLAINED, now, self.policy, names)
        for part in parts:
            if part.state is State.CLOSED:
                wider = (alarmed.prefix,)
                yield breaker.enter(part, State.WARNED, Why.EXPLAINS, now, self.policy, wider)

    def _expire(self, node: Node, now: float) -> list[Change]:
        changes = []
        while (after := breaker.expired(node, now)) is not None:
            moment = min(node.until, now)
            changes.append(breaker.enter(node, after, Why.TIME, moment, self.policy))
        return changes

    def _allowed_within(self, prefix: str) -> bool:
        return any(prefix.startswith(each) for each in self.allowed)

    def _allowed_by(self, number: Number) -> str:
        if not self.allowed:
            return ""
        lengths = range(1, len(number.key) + 1)
        return next((number.key[:n] for n in lengths if number.key[:n] in self.allowed), "")
