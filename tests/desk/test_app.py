"""The desk's routes, asked by programs: kind ones and others."""

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from aiohttp import ClientResponse, FormData
from aiohttp.test_utils import TestClient, TestServer

from audio_model.desk.access import MAX_TRIES
from audio_model.desk.stores import Places
from audio_model.detector import Detector
from audio_model.ranges.store import RangeStore
from audio_model.records import deeds, marks, queue
from audio_model.records.people import Role
from audio_model.records.store import CallStore
from tests.desk import made
from tests.records.made import THRESHOLDS, call
from tests.report.made import parse

Client = TestClient  # type: ignore[type-arg]
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def at(filled: Places, tmp_path: Path) -> Places:
    """Stores of the test's own; the recordings are everybody's."""
    at = made.places(tmp_path)
    for mine, one in ((at.calls, filled.calls), (at.ranges, filled.ranges)):
        assert mine is not None and one is not None
        shutil.copy(one, mine)
    return at


@asynccontextmanager
async def client_of(at: Places, detector: Detector, role: Role | None) -> AsyncIterator[Client]:
    """A browser at the desk, signed in unless the role is None."""
    tokens = made.tokens(at)
    app = made.desk(at, detector).application()
    async with TestClient(TestServer(app)) as client:
        if role is not None:
            given = await client.post(
                "/sign-in", data={"token": tokens[role]}, allow_redirects=False
            )
            assert (given.status, given.headers["Location"]) == (303, "/queue")
        client.tokens = tokens  # type: ignore[attr-defined]
        yield client


def run(
    at: Places, detector: Detector, role: Role | None, ask: Callable[[Client], Awaitable[None]]
) -> None:
    async def main() -> None:
        async with client_of(at, detector, role) as client:
            await ask(client)

    asyncio.run(main())


async def secret(client: Client) -> str:
    page = await (await client.get("/queue")).text()
    found = re.search(r'name="secret" value="([^"]+)"', page)
    assert found is not None
    return found[1]


async def send(client: Client, path: str, **fields: str) -> ClientResponse:
    """A form as the desk's own page sends it."""
    data = {"secret": await secret(client), **fields}
    return await client.post(path, data=data, headers=SAME_SITE, allow_redirects=False)


PAGES = ("/queue", "/calls/1", "/ranges", "/campaigns", "/marks", "/statistics", "/log")
WRITES = (
    *("/calls/1/mark", "/calls/1/skip", "/calls/1/take", "/undo", "/ranges", "/mask", "/sign-out"),
    *("/campaigns/1/mark", "/marks/export", "/marks/import"),
)


def test_nobody_sees_anything_without_signing_in(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        for path in (*PAGES, "/calls/1/audio", "/calls/1/picture", "/statistics/by_period.csv"):
            answer = await client.get(path, allow_redirects=False)
            assert (answer.status, answer.headers["Location"]) == (303, "/sign-in"), path
        for path in WRITES:
            answer = await client.post(path, data={}, allow_redirects=False)
            assert (answer.status, answer.headers.get("Location")) == (303, "/sign-in"), path
        assert (await client.post("/v1/marks", data=b"x")).status == 401

    run(at, detector, None, ask)


def test_every_page_is_whole_and_holds_no_markup_from_outside(
    at: Places, detector: Detector
) -> None:
    async def ask(client: Client) -> None:
        for path in PAGES:
            answer = await client.get(path)
            page = await answer.text()
            assert answer.status == 200, path
            for each in parse(page).iter():
                assert not any(name.startswith("on") or name == "style" for name in each.attrib)
                kind = str(each.tag).rpartition("}")[2]
                assert kind != "style" and (kind != "script" or each.get("src"))
                assert kind != "img" or str(each.get("src")).startswith("/calls/")
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"

    run(at, detector, Role.DECIDING, ask)


def test_no_address_holds_a_number(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        for path in PAGES:
            page = await (await client.get(path)).text()
            for address in re.findall(r'(?:href|src|action)="([^"]*)"', page):
                assert not re.search(r"\d{5,}", address), address

    run(at, detector, Role.DECIDING, ask)


def test_a_mark_is_kept_and_the_next_call_comes(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        page = await (await client.get("/queue")).text()
        (n,) = set(re.findall(r'action="/calls/(\d+)/mark"', page))
        answer = await send(client, f"/calls/{n}/mark", said="recorded")
        assert (answer.status, answer.headers["Location"]) == (303, "/queue")
        page = await (await client.get("/queue")).text()
        assert f'action="/calls/{n}/mark"' not in page and "Undo" in page
        assert "Taken back" not in await (await client.get("/queue")).text()
        assert (await send(client, "/undo")).status == 303
        assert "Taken back: the mark" in await (await client.get("/queue")).text()
        assert f'action="/calls/{n}/mark"' in await (await client.get("/queue")).text()

    run(at, detector, Role.MARKING, ask)
    with CallStore(at.calls) as store:
        what = [each.what for each in deeds.log(store, 10)]
    assert what == ["undone", "marked", "signed_in"]


@pytest.mark.parametrize("path", WRITES)
def test_a_form_without_the_sessions_secret_or_of_another_site_changes_nothing(
    at: Places, detector: Detector, path: str
) -> None:
    async def ask(client: Client) -> None:
        fields = {"said": "recorded", "act": "open", "reason": "x", "typed": "95213", "mark": ""}
        forged = [({}, SAME_SITE), ({"secret": "x" * 43}, SAME_SITE)]
        given = await secret(client)
        for origin in ("https://evil.example", "http://127.0.0.1.evil.example"):
            forged.append(({"secret": given}, {"Origin": origin}))
        forged.append(({"secret": given}, {"Sec-Fetch-Site": "cross-site"}))
        for more, headers in forged:
            data: object = {**fields, **more}
            if path == "/marks/import":
                data = FormData({**fields, **more})
                assert isinstance(data, FormData)
                data.add_field("file", b"call,mark,who\ncall-1,live,x\n", filename="a.csv")
            answer = await client.post(path, data=data, headers=headers, allow_redirects=False)
            assert answer.status == 403, (path, headers)

    run(at, detector, Role.DECIDING, ask)
    with CallStore(at.calls) as store:
        assert [each.what for each in deeds.log(store, 10)] == ["signed_in"]
        assert store.rows("SELECT * FROM marks") == []


@pytest.mark.parametrize(
    ("role", "path"),
    [
        *((Role.READING, path) for path in WRITES if path not in ("/mask", "/sign-out")),
        *(
            (Role.MARKING, path)
            for path in ("/ranges", "/campaigns/1/mark", "/marks/import", "/marks/export")
        ),
    ],
)
def test_a_role_may_no_more_than_it_may(
    at: Places, detector: Detector, role: Role, path: str
) -> None:
    async def ask(client: Client) -> None:
        answer = await send(client, path, said="live", act="open", reason="x", typed="95213")
        assert answer.status == 403

    run(at, detector, role, ask)


def test_a_person_who_is_removed_is_out_at_once(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        assert (await client.get("/queue", allow_redirects=False)).status == 200
        with CallStore(at.calls) as store:
            store.do("DELETE FROM people")
        assert (await client.get("/queue", allow_redirects=False)).status == 303

    run(at, detector, Role.MARKING, ask)


def test_wrong_tokens_are_refused_and_many_of_them_wait(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        for token in (
            "",
            "x",
            "' OR 1=1 --",
            "令牌",
            "x" * 10_000,
            *("y" for _ in range(MAX_TRIES - 5)),
        ):
            answer = await client.post("/sign-in", data={"token": token})
            assert answer.status == 403
        assert (await client.post("/sign-in", data={"token": "z"})).status == 429
        # Behind a proxy everybody has one address: what an outsider tries keeps nobody out.
        right = {"token": client.tokens[Role.READING]}  # type: ignore[attr-defined]
        assert (await client.post("/sign-in", data=right, allow_redirects=False)).status == 303
        assert (await client.post("/sign-in", data={"token": "z"})).status == 429

    run(at, detector, None, ask)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    at: Places, detector: Detector
) -> None:
    async def ask(client: Client) -> None:
        data = {"token": client.tokens[Role.READING]}  # type: ignore[attr-defined]
        answer = await client.post("/sign-in", data=data, allow_redirects=False)
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
        await send(client, "/sign-out")
        assert (await client.get("/queue", allow_redirects=False)).status == 303

    run(at, detector, None, ask)


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/calls/1/mark", b"said=" + b"x" * 1_000_000, 413),
        ("/calls/1/mark", b"&".join(b"a%d=1" % n for n in range(500)), 400),
        ("/calls/1/mark", b"\xff\xfe\x00", 400),
        ("/sign-in", b"token=" + b"x" * 1_000_000, 413),
    ],
)
def test_a_giant_or_broken_body_is_refused(
    at: Places, detector: Detector, path: str, data: bytes, status: int
) -> None:
    async def ask(client: Client) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded", **SAME_SITE}
        assert (await client.post(path, data=data, headers=headers)).status == status
        as_json = {"Content-Type": "application/json", **SAME_SITE}
        assert (await client.post(path, data=b"{}", headers=as_json)).status == 415

    run(at, detector, Role.MARKING, ask)


@pytest.mark.parametrize(
    "path",
    [
        *("/calls/0/audio", "/calls/99999/audio", "/calls/999999999999999999999/audio"),
        *("/calls/-1/audio", "/calls/1.5", "/calls/..%2f..%2fetc%2fpasswd/audio"),
        *("/assets/..%2fapp.py", "/assets/../app.py", "/assets/app.py", "/statistics/etc.csv"),
        *("/calls/../../etc/passwd", "/calls/\u0661/audio"),
    ],
)
def test_an_address_leads_to_no_other_file(at: Places, detector: Detector, path: str) -> None:
    async def ask(client: Client) -> None:
        answer = await client.get(path, allow_redirects=False)
        assert answer.status == 404
        assert "root:" not in await answer.text()

    run(at, detector, Role.DECIDING, ask)


def test_a_sound_is_heard_whole_or_in_part_and_noted_once(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        whole = await client.get("/calls/1/audio")
        body = await whole.read()
        assert (whole.status, whole.content_type, body[:4]) == (200, "audio/wav", b"RIFF")
        part = await client.get("/calls/1/audio", headers={"Range": "bytes=10-19"})
        assert (part.status, await part.read()) == (206, body[10:20])
        assert part.headers["Content-Range"] == f"bytes 10-19/{len(body)}"
        beyond = await client.get("/calls/1/audio", headers={"Range": "bytes=99999999-"})
        assert beyond.status == 416
        odd = await client.get("/calls/1/audio", headers={"Range": "lines=1-2"})
        assert odd.status == 200
        assert (await client.get("/calls/9/audio")).status == 404

    run(at, detector, Role.READING, ask)
    with CallStore(at.calls) as store:
        heard = [each.call for each in deeds.log(store, 10) if each.what == "listened"]
    assert heard == [1]


def test_a_picture_is_an_image_that_loads_nothing(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        answer = await client.get("/calls/1/picture")
        assert answer.content_type == "image/svg+xml"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert b"<script" not in await answer.read()

    run(at, detector, Role.READING, ask)


def test_an_empty_queue_says_why_and_looks_again(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        with CallStore(at.calls) as store:
            store.do("UPDATE calls SET queue = NULL WHERE n > 1")
            page = await (await client.get("/queue")).text()
            assert "/calls/1/mark" in page and "data-again" not in page
            await send(client, "/calls/1/skip")
            page = await (await client.get("/queue")).text()
            assert 'data-again="60"' in page and "The 1 that wait are being heard" in page

    run(at, detector, Role.MARKING, ask)


def test_two_people_do_not_mark_one_call_at_once(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        with CallStore(at.calls) as store:
            assert queue.take(store, 2, "somebody")
        answer = await send(client, "/calls/2/mark", said="live")
        assert answer.status == 409
        assert "somebody" in await (await client.get("/calls/2")).text()
        assert (await send(client, "/calls/2/mark", said="nonsense")).status == 400

    run(at, detector, Role.MARKING, ask)


@pytest.mark.parametrize("key", ["mark", "skip"])
def test_an_old_page_lets_go_of_nobody_elses_call(at: Places, detector: Detector, key: str) -> None:
    async def ask(client: Client) -> None:
        with CallStore(at.calls) as store:
            other, own = (queue.lease(store, who) for who in ("somebody", Role.MARKING.value))
            assert other is not None and own is not None
            await client.post(
                f"/calls/{other.n}/{key}",
                data={"secret": await secret(client), "said": "live"},
                headers=SAME_SITE,
                allow_redirects=False,
            )
            now = time.time()
            assert queue.holder(store, other.n, now) == "somebody"
            assert queue.holder(store, own.n, now) == Role.MARKING.value

    run(at, detector, Role.MARKING, ask)


def test_a_person_does_not_wait_for_an_import_of_marks(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        rows = "".join(f"13900{n:06d},live,u{n}\n" for n in range(5000))
        headers = {
            "Authorization": f"Bearer {client.tokens[Role.DECIDING]}",  # type: ignore[attr-defined]
            "Content-Type": "text/csv",
        }
        data = f"number,mark,who\n{rows}".encode()
        importing = asyncio.create_task(
            client.post("/v1/marks?source=app", data=data, headers=headers)
        )
        with CallStore(at.calls) as store:
            while not store.one("SELECT count(*) FROM marks")[0]:
                await asyncio.sleep(0.001)
        assert (await send(client, "/calls/1/skip")).status == 303
        assert not importing.done()
        assert (await (await importing).json())["numbers"] == 5000

    run(at, detector, Role.MARKING, ask)
    with CallStore(at.calls) as store:
        imported = [each for each in deeds.log(store, 10) if each.what == "imported"]
        assert [each.detail for each in imported] == [{"calls": 0, "numbers": 5000}]


def test_undo_says_whose_call_it_is_now(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        await send(client, "/calls/2/mark", said="live")
        await send(client, "/undo")
        assert "The call is yours again" in await (await client.get("/queue")).text()
        await send(client, "/calls/2/mark", said="live")
        with CallStore(at.calls) as store:
            assert queue.take(store, 2, "somebody")
        await send(client, "/undo")
        assert "Somebody else is hearing the call" in await (await client.get("/queue")).text()

    run(at, detector, Role.MARKING, ask)


def test_a_browser_is_told_what_went_wrong_on_a_page(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        headers = {"Accept": "text/html,*/*"}
        lost = await client.get("/calls/777", headers=headers)
        page = await lost.text()
        assert lost.status == 404 and 'role="alert"' in page and 'href="/queue"' in page
        assert "default-src" in lost.headers["Content-Security-Policy"]
        wrong = await client.put("/queue", headers=headers)
        assert wrong.status == 405 and "GET" in wrong.headers["Allow"]

    run(at, detector, Role.READING, ask)


def test_hidden_numbers_are_nowhere_on_any_page(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        await send(client, "/ranges", act="open", typed="95213742", reason="loans")
        shown = await (await client.get("/calls/1")).text()
        assert "95213742" in shown
        await send(client, "/mask")
        for path in PAGES:
            page = await (await client.get(path)).text()
            assert "95213742" not in page and "13800138000" not in page, path
        ranges = await (await client.get("/ranges")).text()
        assert "9521****" in ranges
        # It has no calls yet, so no share of them either.
        assert 'Share recorded</span><span class="cell-value">–<' in ranges
        table = await (await client.get("/statistics/by_campaign.csv")).text()
        assert "95213742" not in table
        assert (await send(client, "/marks/export")).status == 403

    run(at, detector, Role.DECIDING, ask)


def test_a_range_is_opened_closed_and_allowed_with_a_reason_and_all_of_it_is_kept(
    at: Places, detector: Detector
) -> None:
    async def ask(client: Client) -> None:
        assert (await send(client, "/ranges", act="open", typed="95213", reason=" ")).status == 400
        wide = await send(client, "/ranges", act="open", typed="95", reason="all")
        assert wide.status == 400 and "many owners" in await wide.text()
        assert (
            await send(client, "/ranges", act="allow", typed="9" * 64, reason="x")
        ).status == 400
        for short in ("?8001", "?malformed"):
            assert (
                await send(client, "/ranges", act="open", typed=short, reason="x")
            ).status == 400
        assert (await send(client, "/ranges", act="open", typed="<b>", reason="x")).status == 400
        assert (await send(client, "/ranges", act="x", typed="95213", reason="x")).status == 400
        opened = await send(client, "/ranges", act="open", typed="95213", reason=made.NASTY)
        assert opened.status == 303
        again = await send(client, "/ranges", act="open", typed="95213", reason="x")
        assert again.status == 409
        page = await (await client.get("/ranges")).text()
        assert "Done: opened 95213." in page
        handle = re.search(r'name="range" value="(\w+)"', page)
        assert handle is not None and "95213" not in handle[0]
        closed = await send(client, "/ranges", act="close", range=handle[1], reason="a mistake")
        assert closed.status == 303
        allowed = await send(
            client, "/ranges", act="allow", call="1", length="8", reason="a test line"
        )
        assert allowed.status == 303
        page = await (await client.get("/ranges")).text()
        assert "a test line" in page and "a mistake" in page and "deciding" in page
        stale = await send(client, "/ranges", act="close", range="nothing", reason="x")
        assert stale.status == 400

    run(at, detector, Role.DECIDING, ask)
    with CallStore(at.calls) as store:
        kept = [(each.what, each.detail.get("reason")) for each in deeds.log(store, 3)]
    assert kept[:2] == [("allowed", "a test line"), ("closed", "a mistake")]


@pytest.mark.parametrize(("typed", "prefix"), [("96", "96"), ("+86", "+86"), ("1391", "+861391")])
def test_a_range_of_many_owners_is_allowed_when_that_is_meant(
    at: Places, detector: Detector, typed: str, prefix: str
) -> None:
    assert at.ranges is not None

    def allowed() -> list[str]:
        with closing(RangeStore(at.ranges)) as store:
            return [each.prefix for each in store.allowed()]

    async def ask(client: Client) -> None:
        asked = await send(client, "/ranges", act="allow", typed=typed, reason="why not")
        page = await asked.text()
        assert asked.status == 409 and "many owners" in page
        assert allowed() == []
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
        sure = await send(client, "/ranges", act="allow", **hidden)
        assert sure.status == 303
        assert allowed() == [prefix]
        assert "holds many owners" in await (await client.get("/ranges")).text()

    run(at, detector, Role.DECIDING, ask)


def test_marks_come_in_by_a_form_and_by_a_program(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        form = FormData({"secret": await secret(client), "source": made.NASTY, "trust": "0.8"})
        rows = "call,mark,who\ncall-1,recorded,phone-1\ncall-1,<b>,phone-2\n"
        form.add_field("file", rows.encode(), filename="../../a.csv")
        answer = await client.post("/marks/import", data=form, headers=SAME_SITE)
        page = await answer.text()
        assert answer.status == 200 and "1 marks of calls" in page and "<b>" not in page
        token = {"Authorization": f"Bearer {client.tokens[Role.DECIDING]}"}  # type: ignore[attr-defined]
        lines = b'{"number": "95213742", "time": 1790000001, "mark": "live", "who": "p"}\n'
        headers = {**token, "Content-Type": "application/x-ndjson"}
        sent = await client.post("/v1/marks?source=app&trust=0.7", data=lines, headers=headers)
        told = await sent.json()
        assert (sent.status, told["calls"], told["damaged"]) == (200, 1, 0)
        wrong = await client.post("/v1/marks?source=app&trust=7", data=lines, headers=headers)
        assert wrong.status == 400
        csv = {**token, "Content-Type": "text/csv"}
        bad = await client.post("/v1/marks?source=app", data=b"a,b\n1,2\n", headers=csv)
        assert bad.status == 400 and "/tmp" not in await bad.text()
        reading = {"Authorization": f"Bearer {client.tokens[Role.READING]}"}  # type: ignore[attr-defined]
        refused = await client.post("/v1/marks", data=lines, headers=reading)
        assert refused.status == 403

    run(at, detector, Role.DECIDING, ask)
    with CallStore(at.calls) as store:
        assert {each.source for each in marks.trusts(store)} == {made.NASTY, "app"}


def test_a_campaign_is_marked_for_all_its_calls(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        given = {"mark": "recorded", "reason": "a loan, again"}
        assert (await send(client, "/campaigns/1/mark", mark="recorded")).status == 400
        assert (await send(client, "/campaigns/1/mark", **given)).status == 303
        assert (await send(client, "/campaigns/1/mark", **given | {"mark": "evil"})).status == 400
        assert (await send(client, "/campaigns/77/mark", **given)).status == 404
        for page in ("/campaigns", "/log"):
            assert ": a loan, again" in await (await client.get(page)).text()
        assert "Done: said of a campaign" in await (await client.get("/campaigns")).text()
        table = await (await client.get("/statistics/by_period.csv?unit=day")).text()
        header, *rows = table.lstrip("\ufeff").splitlines()
        found = dict(zip(header.split(","), rows[-1].split(","), strict=True))
        # Four of the campaign, and another that the detector called recorded.
        assert (found["calls"], found["recorded"]) == ("8", "5")

    run(at, detector, Role.DECIDING, ask)


def test_a_mark_against_a_decision_is_said_to_be_disputed(at: Places, detector: Detector) -> None:
    with CallStore(at.calls) as store:
        marks.mark_campaign(store, 1, "allowed", "zhao", made.NOON, "its greeting")

    async def ask(client: Client) -> None:
        await send(client, "/calls/1/mark", said="recorded")
        stays = "its campaign stays “may recur”"
        for page in ("/queue", "/log"):
            assert stays in await (await client.get(page)).text()
        campaigns = await (await client.get("/campaigns")).text()
        assert "May recur · zhao" in re.sub("<[^>]*>", "", campaigns)

    run(at, detector, Role.MARKING, ask)


def test_marks_go_out_as_a_manifest(at: Places, detector: Detector) -> None:
    async def ask(client: Client) -> None:
        await send(client, "/calls/5/mark", said="live")
        answer = await send(client, "/marks/export")
        rows = (await answer.text()).splitlines()
        assert rows[0] == "path,label,source,corpus,call" and len(rows) == 2
        assert "attachment" in answer.headers["Content-Disposition"]

    run(at, detector, Role.DECIDING, ask)


@pytest.mark.parametrize(
    "query",
    [
        *("unit=century", "unit=day&from=2026-99-99&to=x", "from=0001-01-01&to=9999-12-31"),
        *("unit=day&from=2030-01-01&to=2000-01-01", "from=%00&to=%ff", "unit=week&unit=day"),
    ],
)
def test_figures_for_odd_dates_are_figures(at: Places, detector: Detector, query: str) -> None:
    async def ask(client: Client) -> None:
        assert (await client.get(f"/statistics?{query}")).status == 200

    run(at, detector, Role.READING, ask)


def test_a_page_shows_the_largest_campaigns_and_its_csv_all_of_them(
    at: Places, detector: Detector
) -> None:
    many = [call(f"m{n}", campaign=f"message {n // 2}") for n in range(60)]
    with CallStore(at.calls) as store:
        store.add(many, None, THRESHOLDS)

    async def ask(client: Client) -> None:
        page = await (await client.get("/statistics")).text()
        assert page.count("message ") == 19 and "11 smaller ones are in the CSV" in page
        rows = (await (await client.get("/statistics/by_campaign.csv")).text()).splitlines()
        assert len(rows) == 1 + 31

    run(at, detector, Role.READING, ask)
