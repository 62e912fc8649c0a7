"""The page of one call: its sound, its facts, and the buttons to mark it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from audio_model.desk import layout
from audio_model.desk.layout import View, button, form, hidden, no_default, text
from audio_model.errors import printable
from audio_model.pages.markup import Child, Element, tag
from audio_model.pages.tables import bar, percent
from audio_model.pages.texts import Text
from audio_model.ranges.monitor import Advice
from audio_model.ranges.numbers import normalise
from audio_model.records.deeds import Deed, DeedKind
from audio_model.records.marks import Mark, Said, probability
from audio_model.records.people import Role
from audio_model.records.queue import QueueProgress
from audio_model.records.store import StoredCall, StoredCampaign

KEYS = {Said.RECORDED: "R", Said.LIVE: "L", Said.UNSURE: "U", Said.WRONG_NUMBER: "W"}
SKIP_KEY, UNDO_KEY = "S", "Z"


@dataclass(frozen=True)
class CallFacts:
    """The facts that a page shows beside a call."""

    call: StoredCall
    campaign: StoredCampaign | None = None
    marks: Sequence[Mark] = ()
    number_marks: Sequence[Mark] = ()
    history: Sequence[StoredCall] = ()
    """Other calls of its number, the latest first."""
    trusts: Mapping[str, float] = field(default_factory=dict)
    holder: str = ""
    """The person who hears it now."""


@dataclass(frozen=True)
class RangeView:
    """The ranges' facts about a number."""

    advice: Advice
    shares: Sequence[tuple[str, float, int]]
    """Ranges of the number from the widest down: prefix, share recorded, calls."""


@dataclass(frozen=True)
class Last:
    """A person's last deed."""

    undoable: Deed | None = None
    """What can be taken back."""
    undone: Deed | None = None
    """What was taken back just now."""


def queue_page(
    view: View,
    facts: CallFacts | None,
    ranges: RangeView | None,
    progress: QueueProgress,
    last: Last,
    agreement: float | None,
) -> str:
    """Return the page of the call that a person hears now, or of an empty queue."""
    parts: list[Child] = [_progress(progress, agreement), _last(view, last)]
    if facts is None:
        parts.append(
            tag.section(
                tag.h2(text("queue_done")),
                tag.p(
                    text("queue_others", n=progress.waiting)
                    if progress.waiting
                    else text("queue_done_about"),
                    class_="about",
                ),
                class_="sheet",
                data_again="60",
            )
        )
        return layout.page(view, "queue", text("nav_queue"), *parts)
    parts.append(_work(view, facts, ranges))
    return layout.page(view, "queue", text("nav_queue"), *parts)


def call_page(view: View, facts: CallFacts, ranges: RangeView | None) -> str:
    """Return the page of a call that a person has looked up."""
    return layout.page(view, "", text("call", n=str(facts.call.n)), _work(view, facts, ranges))


def _progress(progress: QueueProgress, agreement: float | None) -> Element:
    done, whole = progress.marked, progress.marked + progress.waiting
    drawn = bar(
        [tag.rect(x=0, y=0, width=100 * done / max(whole, 1), height=10)],
        label=text("progress", done=done, all=whole),
        class_="bar progress",
    )
    counts: list[Child] = [
        _count(progress.waiting, "waiting"),
        _count(progress.marked_today, "marked_today"),
        _count(progress.own_today, "own_today"),
    ]
    if agreement is not None:
        counts.append(tag.span(tag.b(percent(agreement)), " ", text("agreement")))
    return tag.div([*counts, drawn], class_="line")


def _count(n: int, key: str) -> Element:
    return tag.span(tag.b(f"{n:,}"), " ", text(key))


def _last(view: View, last: Last) -> Element | None:
    if last.undoable is None and last.undone is None:
        return None
    if last.undone is not None:
        said = text("undone_skip" if last.undone.what is DeedKind.SKIPPED else "undone_mark")
        about = tag.a(text("call", n=str(last.undone.call)), href=f"/calls/{last.undone.call}")
        whose = text("yours_again" if last.undone.detail["yours"] else "theirs_now")
        told: Child = tag.span(said, " ", whose, " ", about, role="status")
    else:
        assert last.undoable is not None
        told = tag.span(_done(last.undoable), role="status")
    undo = form(view, "/undo", button("undo", hint=UNDO_KEY)) if last.undoable else None
    return tag.div(told, undo, class_="line message")


def _done(deed: Deed) -> Text:
    """Return a person's deed in words."""
    if deed.what is DeedKind.SKIPPED:
        return text("last_skipped")
    campaign = deed.detail.get("campaign")
    name = text(str(deed.detail["said"]))
    if stands := deed.detail.get("contradicts"):
        return text("last_contradicts", said=name, stands=text(f"stands_{stands}"))
    if deed.detail["said"] == deed.detail.get("campaign_mark") and isinstance(campaign, dict):
        return text("last_campaign", said=name, n=int(campaign["calls"]))
    return text("last_marked", said=name)


def _work(view: View, facts: CallFacts, ranges: RangeView | None) -> Element:
    return tag.div(
        tag.div(_heard(view, facts)),
        tag.div(_number(view, facts, ranges), _evidence(view, facts), _campaign(view, facts)),
        class_="work",
    )


def _heard(view: View, facts: CallFacts) -> Element:
    call = facts.call
    why = call.why or ""
    said = text(f"why_{why}", n=facts.campaign.calls if facts.campaign else 0)
    score = call.score
    label = (
        text("picture_no_score")
        if score is None or call.seconds is None
        else text("picture", seconds=f"{call.seconds:.1f}", score=f"{score:.2f}")
    )
    own = facts.holder == view.session.person.name
    parts: list[Child] = [
        tag.h2(view.named(call.number), " ", _tag(call), tabindex=-1),
        tag.p(said, class_="about"),
    ]
    if call.path:
        parts += [
            tag.div(
                tag.img(src=f"/calls/{call.n}/picture", alt=""),
                tag.span(text("side_recorded"), class_="side top", aria_hidden="true"),
                tag.span(text("side_live"), class_="side bottom", aria_hidden="true"),
                tag.span(class_="head", hidden="hidden"),
                class_="picture",
                role="img",
                aria_label=label,
            ),
            tag.audio(
                controls="controls",
                preload="none",
                src=f"/calls/{call.n}/audio",
                data_seconds=call.seconds or 1.0,
                aria_label=text("sound"),
            ),
            tag.p(text("no_sound"), class_="message wrong unheard", hidden="hidden"),
        ]
    if own and view.may(Role.MARKING):
        parts += [_answers(view, call.n), tag.p(text("keys"), class_="quiet keys")]
    elif facts.holder and not own:
        who = facts.holder
        parts.append(tag.p(text("someone_else", who=who), class_="message", role="status"))
    elif view.may(Role.MARKING):
        parts.append(form(view, f"/calls/{call.n}/take", button("hear_this", class_="strong")))
    return tag.article(parts, class_="sheet call", aria_label=text("call", n=str(call.n)))


def _answers(view: View, n: int) -> Element:
    buttons = [
        button(
            said.value,
            hint=key,
            class_=said.value if said in (Said.RECORDED, Said.LIVE) else "plain",
            name="said",
            value=said.value,
        )
        for said, key in KEYS.items()
    ]
    return tag.div(
        form(view, f"/calls/{n}/mark", buttons),
        form(view, f"/calls/{n}/skip", button("skip", hint=SKIP_KEY, class_="plain")),
        class_="answers",
        role="group",
        aria_label=text("answers"),
    )


def _tag(call: StoredCall) -> Element:
    kind = call.settled or call.outcome.value
    return tag.span(text(kind), class_=f"tag {kind}")


def _number(view: View, facts: CallFacts, ranges: RangeView | None) -> Element:
    call = facts.call
    number = normalise(call.caller)
    pairs: list[tuple[Text, Child]] = [
        (text("kind"), text(f"flag_{number.flag}" if number.flag else f"kind_{number.kind}")),
        (text("time"), view.moment(call.time)),
    ]
    if call.called:
        pairs.append((text("called"), view.number(call.called)))
    if call.duration is not None:
        pairs.append((text("duration"), text("seconds_value", n=f"{call.duration:.0f}")))
    if ranges is None:
        pairs.append((text("range"), text("no_ranges")))
    else:
        advice = ranges.advice
        if not number.prefixes[number.too_wide :]:
            said: Child = text("no_breaker")
        elif advice.allowed:
            said = text("allowed_by", range=view.number(advice.allowed))
        else:
            said = tag.span(
                tag.span(
                    text("warned_wide" if advice.too_wide else advice.state.value),
                    class_=f"tag {advice.state.value}",
                ),
                " ",
                view.named(advice.prefix),
            )
        pairs.append((text("state"), said))
        for prefix, share, calls in ranges.shares:
            row = tag.span(f"{percent(share)} · ", text("campaign_calls", n=calls), class_="quiet")
            shown = view.named(prefix)
            name = shown if isinstance(shown, Text) else Text(str(shown), str(shown))
            pairs.append((name, row))
    parts: list[Child] = [
        tag.h2(text("number")),
        tag.p(view.named(call.number), class_="big"),
        _pairs(pairs),
    ]
    if facts.number_marks:
        parts += [tag.h3(text("marks_of_number")), _marks(view, facts.number_marks)]
    parts.append(tag.h3(text("history")))
    parts.append(
        tag.ul([_past(view, each) for each in facts.history], class_="history")
        if facts.history
        else tag.p(text("no_history"), class_="quiet")
    )
    decidable = number.prefixes[number.too_wide :]
    if ranges is not None and view.may(Role.DECIDING) and decidable:
        parts.append(_decide(view, call, decidable))
    return tag.section(parts, class_="sheet")


def _decide(view: View, call: StoredCall, prefixes: Sequence[str]) -> Element:
    options = [tag.option(view.number(prefix), value=str(len(prefix))) for prefix in prefixes[::-1]]
    return tag.details(
        tag.summary(text("decide")),
        form(
            view,
            "/ranges",
            no_default(),
            hidden("call", str(call.n)),
            tag.label(tag.span(text("what_range")), tag.select(options, name="length")),
            layout.field("why", "reason", required="required", maxlength=500),
            button("allow", name="act", value="allow"),
            button("open_range", name="act", value="open"),
            button("close_range", name="act", value="close"),
            class_="fields",
        ),
    )


def _past(view: View, call: StoredCall) -> Element:
    return tag.li(tag.a(view.moment(call.time), href=f"/calls/{call.n}"), _tag(call))


def _evidence(view: View, facts: CallFacts) -> Element:
    call = facts.call
    pairs: list[tuple[Text, Child]] = [(text("verdict"), text(call.outcome.value))]
    if call.score is not None:
        pairs.append((text("score"), f"{call.score:.3f}"))
    if call.decided_at is not None:
        pairs.append((text("decided"), text("seconds_value", n=f"{call.decided_at:.2f}")))
    if call.speech_seconds is not None:
        pairs.append((text("speech"), text("seconds_value", n=f"{call.speech_seconds:.1f}")))
    if call.reason:
        name = f"reason_{call.reason}"
        pairs.append((text("reason"), text(name) if name in text.table else printable(call.reason)))
    if call.error:
        pairs.append((text("error"), view.path(call.error)))
    known_name = f"{call.known} {call.known_name}".strip()
    pairs.append((text("known"), view.path(known_name) if known_name else text("no_known")))
    share = percent(probability(call, facts.marks, facts.trusts))
    pairs.append((text("together"), text("together_value", p=share)))
    if call.path:
        pairs.append((text("recording_file"), tag.span(view.path(call.path), class_="path")))
    parts: list[Child] = [tag.h2(text("evidence")), _pairs(pairs)]
    if facts.marks:
        parts += [tag.h3(text("marks_of_call")), _marks(view, facts.marks)]
    return tag.section(parts, class_="sheet")


def _campaign(view: View, facts: CallFacts) -> Element | None:
    campaign = facts.campaign
    if campaign is None:
        return None
    pairs: list[tuple[Text, Child]] = [
        (text("calls"), f"{campaign.calls:,}"),
        (text("first"), view.moment(campaign.first)),
        (text("last"), view.moment(campaign.last)),
    ]
    if campaign.mark or campaign.decided:
        name = text(f"campaign_{campaign.mark or 'none'}")
        pairs.append((text("mark"), tag.span(name, f" · {campaign.who}")))
    return tag.section(
        tag.h2(text("campaign")),
        tag.p(view.path(campaign.name), class_="path"),
        _pairs(pairs),
        class_="sheet",
    )


def _marks(view: View, marks: Sequence[Mark]) -> Element:
    return tag.ul(
        [
            tag.li(
                tag.span(view.path(f"{each.source} {each.who}".strip())),
                tag.span(text(each.said.value), class_=f"tag {each.said.outcome}"),
            )
            for each in marks[-10:]
        ],
        class_="history",
    )


def _pairs(pairs: Sequence[tuple[Text, Child]]) -> Element:
    return tag.dl(
        [part for name, value in pairs for part in (tag.dt(name), tag.dd(value))], class_="pairs"
    )
