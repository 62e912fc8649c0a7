import re
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings

from audio_model.errors import printable
from audio_model.report.exhibits import Exhibit
from audio_model.report.page.run_page import Exhibits, Gallery, run_page
from audio_model.report.summary import summarise
from audio_model.tables.results import Outcome, Result, Results
from tests import sounds
from tests.pages.test_markup import NASTY
from tests.report import made

NOTHING_OF_RUN = Results(Path("r.csv"), (Path("r.csv"),), {})


def page(
    rows: Sequence[Result], gallery: Gallery | None = None, results: Results = NOTHING_OF_RUN
) -> str:
    return run_page(results, summarise(rows), gallery or Gallery(), "base.onnx")


def rows_of(table: list[list[str]]) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in table}


def test_counts_are_on_the_page() -> None:
    rows = [
        *(made.result(f"a/{n}.wav", decided_at=2.0) for n in range(1200)),
        *(made.result(f"b/{n}.wav", Outcome.LIVE, 0.1, decided_at=4.0) for n in range(300)),
        *(
            made.result(f"b/u{n}.wav", Outcome.UNKNOWN, 0.5, reason=reason)
            for n, reason in enumerate(["unsure"] * 400 + ["silence"] * 80)
        ),
        *(made.result(f"b/e{n}.wav", Outcome.ERROR) for n in range(20)),
    ]
    tree = made.parse(page(rows))
    said = made.said(tree)
    assert "2,000 results of r.csv" in said
    for counted in (
        "recorded 1,200 60.0 %",
        "unknown 480 24.0 %",
        "live 300 15.0 %",
        "errors 20 1.0 %",
        "median time to a verdict 2.0 s",
        "hours of audio heard 3.3",
    ):
        assert counted in said
    every = made.tables(tree)
    scores = rows_of(every[0])
    assert scores["0.90 – 0.92"] == ["1,200", "0", "0"]
    assert scores["0.50 – 0.52"] == ["0", "480", "0"]
    assert scores["0.10 – 0.12"] == ["0", "0", "300"]
    reasons = next(rows_of(table) for table in every if table[0][0] == "reason")
    assert reasons["speech, but unsure"] == ["", "400", "83.3 %"]
    folders = next(rows_of(table) for table in every if table[0][0] == "group")
    assert folders["a"][1:] == ["1,200", "1,200", "0", "0", "0", "100 %"]
    assert folders["b"][1:] == ["800", "0", "480", "300", "20", "0 %"]
    causes = next(table for table in every if table[0][0] == "cause")
    assert causes[1] == ["no such file", "20", "b/e0.wavb/e1.wavb/e2.wav"]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [made.result()],
        [made.result(score=None, speech_seconds=None, seconds=None)],
        [made.result(f"{n}.wav", Outcome.ERROR) for n in range(3)],
        [made.result(outcome=Outcome.UNKNOWN, reason="of the future")],
        [made.result(speech_seconds=1e9, decided_at=-5.0)],
    ],
)
def test_few_or_odd_rows_make_a_page(rows: list[Result]) -> None:
    tree = made.parse(page(rows))
    assert f"{len(rows)} results of" in made.said(tree)
    assert ("There are no results here yet." in made.said(tree)) == (not rows)


def test_an_unfinished_run_is_said_to_be() -> None:
    run = {"planned": {"shards": 3}, "asked": {"paths": list("abcdefgh")}, "sessions": [{"n": 1}]}
    results = Results(Path("r"), (Path("r/part-000000.csv"),), run)
    said = made.said(made.parse(page([made.result()], results=results)))
    assert "1 of 3 shards are here" in said
    assert "asked · paths a, b, c, d, e, (+ 3)" in said
    assert "sessions 1 · n 1" in said


def test_days_without_calls_are_there_and_many_days_become_months() -> None:
    def rows(days: Sequence[int]) -> list[Result]:
        return [
            made.result(carried={"date": (date(2026, 1, 1) + timedelta(n)).isoformat()})
            for n in days
        ]

    few = page(rows([0, 5]))
    assert "By day (date)" in few
    assert 'viewBox="0 0 6 100"' in few
    many = page(rows(range(0, 400, 10)))
    assert "By month (date)" in many
    months = next(t for t in made.tables(made.parse(many)) if t[0][0] == "month")
    assert months[1][:2] == ["2026-01", "4"]
    assert len(months) == 1 + 13


def test_numbers_with_most_recordings_come_first() -> None:
    calls = [("95588", Outcome.LIVE)] * 9 + [("+86 95213001", Outcome.RECORDED)]
    calls += [("0086 95213-001", Outcome.RECORDED)]
    calls += [(f"139000000{n:02}", Outcome.LIVE) for n in range(30)]
    rows = [made.result("a.wav", kind, carried={"caller": caller}) for caller, kind in calls]
    tree = made.parse(page(rows))
    prefixes, numbers = (t for t in made.tables(tree) if t[0][0] == "group")
    assert [row[0] for row in numbers[1:3]] == ["95213001", "95588"]
    assert numbers[-1][0] == "12 others"
    assert sum(int(row[2]) for row in numbers[1:]) == len(calls)
    assert [row[::2][:2] for row in prefixes[1:]] == [
        ["9521", "2"],
        ["+86139", "30"],
        ["9558", "9"],
    ]
    assert "By prefix of numbers (caller)" in made.said(tree)


def test_numbers_that_are_none_are_told_as_such() -> None:
    odd = ["anonymous", "x13y", *["95213700"] * 30, "9521370011"]
    tree = made.parse(page([made.result("a.wav", carried={"caller": each}) for each in odd]))
    prefixes, _ = (t for t in made.tables(tree) if t[0][0] == "group")
    assert {row[0] for row in prefixes[1:]} == {
        "9521",
        "?9521 (not in the numbering plan)",
        "withheld",
        "unreadable",
    }


@pytest.mark.parametrize(("recorded", "live"), [("1", "0"), ("recorded", "live")])
def test_with_labels_hits_and_false_alarms_are_told(recorded: str, live: str) -> None:
    heard = [(recorded, Outcome.RECORDED)] * 30 + [(recorded, Outcome.UNKNOWN)] * 20
    heard += [(live, Outcome.RECORDED)] + [(live, Outcome.LIVE)] * 98 + [(live, Outcome.ERROR)]
    heard += [("", Outcome.LIVE), ("x", Outcome.RECORDED)]
    rows = [made.result("a.wav", kind, carried={"label": label}) for label, kind in heard]
    tree = made.parse(page(rows))
    said = made.said(tree)
    # Wilson's interval of 30 in 50 and of 1 in 99: an error is no verdict.
    assert "recordings caught 60.0 % 46 % to 72 %" in said
    assert "live callers flagged 1.0 % 0.2 % to 5.5 %" in said
    table = next(t for t in made.tables(tree) if t[0][0] == "label")
    assert [row[0::2] for row in table[1:]] == [
        ["recorded", "50", "20", "0"],
        ["live", "100", "0", "1"],
    ]


def test_without_labels_nothing_is_said_of_them() -> None:
    assert "Against the labels" not in page([made.result()])


def gallery(path: str, problem: str = "") -> Gallery:
    row = made.result(path, Outcome.UNKNOWN, 0.5, channel=path[:5], reason="unsure")
    shown = Exhibit(row, sounds.voice(2), [(0.08, 0.4), (2.0, 0.5)], (0.0, 0.8))
    gone = Exhibit(row, problem=problem)
    return Gallery(uncertain=Exhibits([shown], [gone]))


def test_a_recording_is_shown_with_its_sound_and_curve() -> None:
    shown = page([made.result()], gallery("calls/b.wav", "no such file"))
    tree = made.parse(shown)
    assert len(list(tree.iter(f"{made.XHTML}audio"))) == 1
    assert "This page holds the sound of 1 calls" in shown
    assert "1 cannot be read here now" in shown
    curve = re.search(r'<path d="(M[^"]+)" class="curve"', shown)
    # From even odds at the start, 4 % of room above and below.
    assert curve is not None and curve[1] == "M0.00 50.00L0.08 59.20L2.00 50.00"
    unreadable = next(t for t in made.tables(tree) if t[0][0] == "recording")
    assert unreadable[1] == ["calls/b.wav · calls", "unknown", "0.500", "no such file"]


@cache
def plain_tags() -> set[str]:
    rows = [made.result(f"{n}/{n}", carried={"x": "ab"[n % 2], "label": n % 2}) for n in range(9)]
    rows.append(made.result("p", Outcome.ERROR))
    return {node.tag for node in made.parse(page(rows, gallery("p/q/r.wav", "o"))).iter()}


@settings(max_examples=20)
@given(NASTY, NASTY)
def test_no_name_becomes_markup(name: str, other: str) -> None:
    path = name or "a.wav"
    rows = [
        made.result(path, carried={"caller": other, other or "x": name}),
        made.result(path + "/b", Outcome.ERROR, error=other or "e"),
        *(made.result("c", carried={other or "x": value}) for value in (name, "v", name, "v")),
    ]
    results = Results(Path("r"), (Path(),), {name: {other: [name, other]}})
    shown = page(rows, gallery(path, other), results)
    tree = made.parse(shown)
    assert {node.tag for node in tree.iter()} <= plain_tags()
    assert len(list(tree.iter(f"{made.XHTML}script"))) == 1
    for node in tree.iter():
        assert not any(key.lower().startswith("on") for key in node.attrib)
        assert node.get("href") is None
        assert node.get("src", "data:").startswith("data:")
    assert printable(path).split() == [] or printable(path).split()[0] in made.said(tree)


def test_nothing_can_be_loaded_or_run_from_elsewhere() -> None:
    tree = made.parse(page([made.result()], gallery("a.wav")))
    policy = next(
        node.get("content")
        for node in tree.iter(f"{made.XHTML}meta")
        if node.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; media-src data:; ")
    assert "unsafe" not in policy
    assert tree.find(f".//{made.XHTML}link") is None


def test_the_page_is_accessible() -> None:
    rows = [made.result(f"{n % 3}/{n}.wav", kind) for n, kind in enumerate([*Outcome] * 3)]
    tree = made.parse(page(rows, gallery("a.wav")))
    assert tree.get("lang") == "en"
    for node in tree.iter():
        if node.get("role") == "img" or node.tag == f"{made.XHTML}audio":
            assert node.get("aria-label")
        if node.tag.endswith("}img"):
            assert node.get("alt") is not None
    headings = [node.tag[-2:] for node in tree.iter() if re.fullmatch(r".*\}h\d", node.tag)]
    assert headings[0] == "h1" and headings.count("h1") == 1
    # Each figure that is drawn has its table.
    for figure in tree.iter(f"{made.XHTML}figure"):
        if figure.find(f"{made.XHTML}div[@role='img']") is not None:
            assert figure.find(f".//{made.XHTML}table") is not None
