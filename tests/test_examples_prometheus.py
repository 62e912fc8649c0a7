"""The rules and the dashboard of examples/prometheus: all that they name exists."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audio_model.gateway.outlets.metrics import Metrics

FOLDER = Path(__file__).parents[1] / "examples" / "prometheus"
RULES = (FOLDER / "rules.yml").read_text("utf-8")
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
PROMTOOL = shutil.which("promtool")
SUFFIXES = ("", "_bucket", "_sum", "_count")


class _Calls:
    open_legs = 0

    def queue_age(self) -> float:
        return 0.0


class _Webhooks:
    def __len__(self) -> int:
        return 0

    def oldest_seconds(self) -> float:
        return 0.0


@pytest.fixture(scope="module")
def samples() -> dict[str, str]:
    """The names of the samples that ``/metrics`` may have, and their families' types."""
    metrics = Metrics()
    metrics.watch(_Calls())
    metrics.watch_webhooks(_Webhooks())
    metrics.watch_parts({"ami": lambda: True})
    found = re.findall(r"^# TYPE (\w+) (\w+)", metrics.text().decode(), re.MULTILINE)
    return {
        family + suffix: kind
        for family, kind in found
        for suffix in (SUFFIXES if kind == "histogram" else ("",))
    }


def rule_expressions() -> list[str]:
    lines = re.findall(r"^ +expr: (?:\|\n((?: {10,}.*\n)+)|(.+))", RULES, re.MULTILINE)
    return [block or line for block, line in lines]


def panels() -> Iterator[Any]:
    yield from DASHBOARD["panels"]


def panel_expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def named(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:audio_model|process)_\w+", expression))


@pytest.mark.parametrize("expression", [*rule_expressions(), *panel_expressions()])
def test_every_metric_exists_and_is_used_as_what_it_is(
    expression: str, samples: dict[str, str]
) -> None:
    for name in named(expression):
        assert name in samples, name
        counted = re.search(rf"(?:rate|increase)\({name}\b", expression) is not None
        assert counted is (samples[name] in ("counter", "histogram")), name


def test_every_alarm_and_panel_is_looked_at() -> None:
    assert len(rule_expressions()) == RULES.count("- alert:") >= 15
    assert len(panel_expressions()) >= 20


def test_every_metric_of_ours_is_on_the_dashboard_or_an_alarm(samples: dict[str, str]) -> None:
    said = " ".join([*rule_expressions(), *panel_expressions()])
    families = {name for name in samples if not name.endswith(("_sum", "_count", "_bucket"))}
    ours = {name for name in families if name.startswith("audio_model_")}
    unused = {name for name in ours if name not in said and not name.endswith("_created")}
    assert unused == {"audio_model_kept_audio_total"}


def test_the_dashboard_is_what_grafana_imports() -> None:
    assert DASHBOARD["uid"] and DASHBOARD["title"] and DASHBOARD["schemaVersion"] >= 36
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    cells: set[tuple[int, int]] = set()
    for panel in panels():
        assert panel["type"] in ("timeseries", "stat")
        assert panel["datasource"]["uid"] == "${datasource}"
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        columns = range(at["x"], at["x"] + at["w"])
        taken = {(x, y) for x in columns for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, panel["title"]
        cells |= taken
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    for expression in panel_expressions():
        assert set(re.findall(r"\$(\w+)", expression)) <= variables


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not there: apt-get install prometheus")
def test_prometheus_itself_reads_all_of_it(tmp_path: Path) -> None:
    assert PROMTOOL is not None
    rules = [
        {"record": f"panel:{n}", "expr": expression.replace("$instance", ".*")}
        for n, expression in enumerate(panel_expressions())
    ]
    # JSON is YAML.
    queries = tmp_path / "queries.yml"
    queries.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    for path in (FOLDER / "rules.yml", queries):
        done = subprocess.run([PROMTOOL, "check", "rules", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


SHIFTS = """
rule_files: [{rules}]
evaluation_interval: 1h
tests:
  - interval: 1h
    input_series:
{series}
    alert_rule_test:
      - eval_time: 230h
        alertname: {alert}
        exp_alerts: []
      - eval_time: 262h
        alertname: {alert}
        exp_alerts: [{after}]
"""
STEADY = "0+100x300"
ALAW_HALVES = "0+100x240 24050+50x60"
GSM_COMES = "0+0x240 50+50x60"


def _shifts(tmp_path: Path, alert: str, series: dict[str, str], fires: list[str]) -> str:
    """Let Prometheus try an alarm: ten days of one kind, then a day of another."""
    assert PROMTOOL is not None
    told = re.search(rf"- alert: {alert}\n.*?summary: \"(.*?)\"", RULES, re.DOTALL)
    assert told is not None
    after = ", ".join(
        "{exp_labels: {severity: info, gateway: sip"
        + more
        + "}, exp_annotations: {summary: "
        + json.dumps(said)
        + "}}"
        for more, said in (each.split("|") for each in fires)
    )
    lines = [f"      - {{series: '{name}', values: '{of}'}}" for name, of in series.items()]
    test = tmp_path / "test.yml"
    test.write_text(
        SHIFTS.format(
            rules=FOLDER / "rules.yml",
            series="\n".join(lines),
            alert=alert,
            after=after,
        )
    )
    done = subprocess.run([PROMTOOL, "test", "rules", test], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not there: apt-get install prometheus")
def test_a_worse_signal_to_noise_ratio_is_an_alarm(tmp_path: Path) -> None:
    series = {
        'audio_model_snr_db_count{gateway="sip"}': STEADY,
        # 30 dB a call, then 24.
        'audio_model_snr_db_sum{gateway="sip"}': "0+3000x240 722400+2400x60",
    }
    said = (
        "the signal-to-noise ratio at sip has drifted by 5.5 dB: "
        "mark some calls and run audio-model renew"
    )
    wrong = _shifts(tmp_path, "AudioModelNoiseDrifts", series, [f"|{said}"])
    assert not wrong, wrong


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not there: apt-get install prometheus")
def test_a_codec_that_comes_or_goes_is_an_alarm(tmp_path: Path) -> None:
    series = {
        'audio_model_codecs_total{gateway="sip",codec="alaw"}': ALAW_HALVES,
        'audio_model_codecs_total{gateway="sip",codec="gsm"}': GSM_COMES,
        'audio_model_codecs_total{gateway="other",codec="alaw"}': STEADY,
    }
    fires = [
        f", codec: {codec}|calls at sip come in other codecs ({codec}): "
        "mark some and run audio-model renew"
        for codec in ("alaw", "gsm")
    ]
    wrong = _shifts(tmp_path, "AudioModelCodecsShift", series, fires)
    assert not wrong, wrong
