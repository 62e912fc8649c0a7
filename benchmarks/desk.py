"""Measure how fast a desk with a large store opens the queue and answers many people's marks.

Prints Markdown; ``--output`` also writes JSON. The desk is a process of its own, asked over the
loopback address by people who each mark, and then open the queue, as fast as ``--pause`` lets them.
"""

import asyncio
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median, quantiles

import aiohttp
import psutil

from audio_model.records import call_columns, people
from audio_model.records.calls import CallRecord
from audio_model.records.people import Person, Role
from audio_model.records.priority import Thresholds
from audio_model.records.store import BATCH, CallStore
from audio_model.tables.results import Outcome
from benchmarks.command import parser_of
from benchmarks.machine import machine

_START = 1_780_000_000.0
_CHUNK = 10 * BATCH
_PEOPLE = 30_000
"""People who call from mobiles, again and again."""


def calls(n: int, seed: int = 0) -> Iterator[CallRecord]:
    """Yield a month of calls in the order of time, two fifths of them from campaigns."""
    rng = random.Random(seed)
    for index in range(n):
        of_campaign = rng.random() < 0.4
        campaign = int(rng.paretovariate(0.6)) if of_campaign else 0
        outcome = rng.choice((Outcome.RECORDED, Outcome.LIVE, Outcome.UNKNOWN))
        number = f"952{campaign % 10}{rng.randrange(1000):04d}"
        yield CallRecord(
            id=f"call-{index}",
            outcome=outcome,
            path=f"/calls/{index}.wav",
            caller=number if of_campaign else f"139{rng.randrange(_PEOPLE):08d}",
            called=f"138{rng.randrange(10**8):08d}",
            time=_START + 30 * 86_400 * index / n,
            score=rng.random(),
            seconds=6.0,
            speech_seconds=6 * rng.random(),
            campaign=f"campaign {campaign}" if of_campaign else "",
        )


def fill(path: str, n: int, n_people: int) -> tuple[float, list[str]]:
    """Make a store, and return how many calls came in a second and a token for each person."""
    thresholds = Thresholds(0.9, 0.2)
    begun = time.perf_counter()
    source = calls(n)
    with CallStore(path) as store:
        while batch := list(islice(source, _CHUNK)):
            store.add(batch, None, thresholds)
        call_columns.refresh(store)
        seconds = time.perf_counter() - begun
        tokens = [
            people.add(store, Person(f"person-{number}", Role.MARKING))
            for number in range(n_people)
        ]
    return n / seconds, tokens


class Listener:
    """One person at the desk."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token
        self.marks: list[float] = []
        self.pages: list[float] = []
        self.heard: list[str] = []

    async def work(self, until: float, pause: float) -> None:
        """Mark call after call."""
        rng = random.Random(self._token)
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(self._url, cookie_jar=jar) as session:
            await session.post("/sign-in", data={"token": self._token}, allow_redirects=False)
            while time.perf_counter() < until:
                begun = time.perf_counter()
                async with session.get("/queue") as answer:
                    page = await answer.text()
                self.pages.append(time.perf_counter() - begun)
                n = re.search(r'action="/calls/(\d+)/mark"', page)
                secret = re.search(r'name="secret" value="([^"]+)"', page)
                assert n is not None and secret is not None
                self.heard.append(n[1])
                await asyncio.sleep(pause * rng.uniform(0.5, 1.5))
                said = rng.choice(("recorded", "live", "live", "unsure"))
                begun = time.perf_counter()
                async with session.post(
                    f"/calls/{n[1]}/mark",
                    data={"secret": secret[1], "said": said},
                    allow_redirects=False,
                ) as marked:
                    assert marked.status == 303, await marked.text()
                self.marks.append(time.perf_counter() - begun)


async def opened(url: str, token: str) -> float:
    """Return the seconds from asking for the queue to its page, of the first person who does."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(url, cookie_jar=jar) as session:
        await session.post("/sign-in", data={"token": token}, allow_redirects=False)
        begun = time.perf_counter()
        async with session.get("/queue") as answer:
            await answer.text()
        return time.perf_counter() - begun


async def counted(url: str, token: str, path: str = "/statistics") -> float:
    """Return the seconds to the figures by month."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(url, cookie_jar=jar) as session:
        await session.post("/sign-in", data={"token": token}, allow_redirects=False)
        begun = time.perf_counter()
        async with session.get(f"{path}?unit=month") as answer:
            assert answer.status == 200
            await answer.text()
        return time.perf_counter() - begun


async def measure(
    url: str, tokens: list[str], seconds: float, pause: float, server: psutil.Process
) -> dict[str, object]:
    """Return all figures of one desk."""
    first = await opened(url, tokens[0])
    again = [await opened(url, tokens[0]) for _ in range(5)]
    listeners = [Listener(url, token) for token in tokens]
    memory: list[float] = []
    cpu = server.cpu_times()
    begun = time.perf_counter()

    async def watch() -> None:
        while True:
            memory.append(server.memory_info().rss / 1e6)
            await asyncio.sleep(1)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(each.work(begun + seconds, pause) for each in listeners))
    watching.cancel()
    spent = server.cpu_times()
    marks = [each for listener in listeners for each in listener.marks]
    pages = [each for listener in listeners for each in listener.pages]
    heard = [each for listener in listeners for each in listener.heard]
    third = max(len(memory) // 3, 1)
    before = server.cpu_times()
    figures = [await counted(url, tokens[0]) for _ in range(3)]
    after = server.cpu_times()
    return {
        "first_queue_s": first,
        "queue_s": median(again),
        "marks": len(marks),
        "mark_ms": 1e3 * median(marks),
        "mark_p95_ms": 1e3 * quantiles(marks, n=20)[-1],
        "page_ms": 1e3 * median(pages),
        "page_p95_ms": 1e3 * quantiles(pages, n=20)[-1],
        "cpu_ms_of_a_mark_and_page": 1e3
        * (spent.user + spent.system - cpu.user - cpu.system)
        / len(marks),
        # A second person hears one call in twenty, and a third where two disagree.
        "calls_heard_by_more_than_three": sum(heard.count(each) > 3 for each in set(heard)),
        "memory_mb_first_third": median(memory[:third]),
        "memory_mb_last_third": median(memory[-third:]),
        "statistics_s": median(figures),
        "statistics_cpu_s": (after.user + after.system - before.user - before.system) / 3,
        "statistics_csv_s": await counted(url, tokens[0], "/statistics/by_period.csv"),
    }


def main() -> None:
    """Measure one desk."""
    parser = parser_of("desk", __doc__)
    parser.add_argument("--calls", type=int, default=1_000_000, help="calls in the store")
    parser.add_argument("--people", type=int, default=20, help="people who mark at once")
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds to measure")
    parser.add_argument("--pause", type=float, default=2.0, help="seconds that a person listens")
    parser.add_argument("--store", help="the store; an existing one is used again")
    parser.add_argument("--output", help="JSON file to write as well")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.store or str(Path(folder, "desk.db"))
        there = Path(path).exists()
        rate, tokens = fill(path, 0 if there else args.calls, args.people)
        command = [sys.executable, "-m", "audio_model", "desk", "serve", path, "--port", "0"]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert server.stderr is not None
            found = re.search(r"http://\S+", server.stderr.readline())
            assert found is not None
            figures = asyncio.run(
                measure(found[0], tokens, args.seconds, args.pause, psutil.Process(server.pid))
            )
        finally:
            server.terminate()
            server.wait()
        figures["store_mb"] = Path(path).stat().st_size / 1e6
        figures["import_calls_a_second"] = None if there else rate
    print(f"{args.calls:,} calls, {args.people} people, each {args.pause:g} s a call\n")
    print("| figure | value |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value:,.3g} |" if isinstance(value, float) else f"| {name} | {value} |")
    about = machine(["aiohttp"])
    print(f"\n{about.processor}, {about.cores} cores, load {about.load:.1f}")
    if args.output:
        Path(args.output).write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
