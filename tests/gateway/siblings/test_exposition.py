from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from audio_model.gateway.siblings.exposition import labelled


def text(n: int, help_text: str) -> str:
    registry = CollectorRegistry()
    Gauge("legs", help_text, registry=registry).set(n)
    counter = Counter("verdicts", "By verdict.", ("verdict", "reason"), registry=registry)
    counter.labels('a"b}c {d\\e\nf', "").inc(n)
    return generate_latest(registry).decode()


def test_samples_of_all_processes_say_whose_they_are() -> None:
    whole = labelled({0: text(3, "Open."), 2: text(4, "Open, as a new release says it.")})
    families = {family.name: family for family in text_string_to_metric_families(whole)}
    # A family begins once, though processes of two releases may tell it differently.
    assert whole.count("# TYPE legs gauge\n") == whole.count("# HELP legs ") == 1
    assert [(s.labels, s.value) for s in families["legs"].samples] == [
        ({"process": "0"}, 3),
        ({"process": "2"}, 4),
    ]
    totals = [s for s in families["verdicts"].samples if s.name == "verdicts_total"]
    assert [(s.labels["process"], s.labels["verdict"], s.value) for s in totals] == [
        ("0", 'a"b}c {d\\e\nf', 3),
        ("2", 'a"b}c {d\\e\nf', 4),
    ]
