"""The tables of a store of calls, and the way from older formats to them."""

from audio_model.sqlite import Format

QUARTER_SECONDS = 900
"""Length of the stretches in which calls are kept for figures; no zone's clock is off by less."""

_COUNTED = ("time", "number", "called", "campaign", "segment", "outcome", "act")
"""The columns that figures are counted from, apart from people's marks."""
_SETTLED = """
CREATE INDEX by_time ON calls (time, score);
CREATE INDEX by_settled ON calls (time, settled) WHERE settled != '';
"""
_SAID = """
CREATE INDEX by_said ON marks (time) WHERE source != '';
"""
_MARKS = f"""
CREATE TABLE marks (n INTEGER PRIMARY KEY, call INTEGER, number TEXT NOT NULL, source TEXT NOT NULL,
    who TEXT NOT NULL, mark TEXT NOT NULL, trust REAL NOT NULL, time REAL, marked REAL NOT NULL);
CREATE UNIQUE INDEX of_call ON marks (call, source, who) WHERE call IS NOT NULL;
CREATE UNIQUE INDEX of_number ON marks (number, source, who) WHERE call IS NULL;
CREATE INDEX by_marked ON marks (marked);
{_SAID}
"""
_SETTLED_IN = """
CREATE INDEX settled_in ON calls (campaign, settled) WHERE settled != '';
"""
_TAUGHT = """
CREATE TABLE taught (recording INTEGER PRIMARY KEY, was TEXT NOT NULL, became TEXT NOT NULL);
"""
_NOTE = "note TEXT NOT NULL DEFAULT ''"
_QUARTERS = f"""
CREATE TABLE quarters (quarter INTEGER PRIMARY KEY, calls BLOB NOT NULL);
CREATE TABLE segments (n INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);
CREATE TABLE stale (quarter INTEGER PRIMARY KEY);
CREATE TRIGGER call_came AFTER INSERT ON calls WHEN new.time IS NOT NULL BEGIN
    INSERT OR IGNORE INTO stale VALUES (CAST(new.time / {QUARTER_SECONDS} AS INT));
END;
CREATE TRIGGER call_went AFTER DELETE ON calls WHEN old.time IS NOT NULL BEGIN
    INSERT OR IGNORE INTO stale VALUES (CAST(old.time / {QUARTER_SECONDS} AS INT));
END;
CREATE TRIGGER call_changed AFTER UPDATE OF {", ".join(_COUNTED)} ON calls
WHEN {" OR ".join(f"old.{name} IS NOT new.{name}" for name in _COUNTED)} BEGIN
    INSERT OR IGNORE INTO stale SELECT DISTINCT CAST(value / {QUARTER_SECONDS} AS INT)
        FROM json_each(json_array(old.time, new.time)) WHERE value IS NOT NULL;
END;
"""
_SCHEMA = f"""
CREATE TABLE archives (n INTEGER PRIMARY KEY, path TEXT UNIQUE NOT NULL, asked TEXT NOT NULL,
    imported REAL NOT NULL);
CREATE TABLE campaigns (n INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, calls INTEGER NOT NULL,
    first REAL, last REAL, exemplar INTEGER, seconds REAL NOT NULL,
    mark TEXT NOT NULL, who TEXT NOT NULL, marked REAL, {_NOTE});
CREATE TABLE calls (n INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, archive INTEGER,
    path TEXT NOT NULL, channel TEXT NOT NULL, caller TEXT NOT NULL, number TEXT NOT NULL,
    segment TEXT NOT NULL, called TEXT NOT NULL, time REAL, duration REAL, outcome TEXT NOT NULL,
    score REAL, seconds REAL, speech_seconds REAL, decided_at REAL, reason TEXT NOT NULL,
    error TEXT NOT NULL, known TEXT NOT NULL, known_name TEXT NOT NULL, campaign INTEGER,
    act TEXT NOT NULL, settled TEXT NOT NULL, queue REAL, why TEXT NOT NULL);
CREATE INDEX queued ON calls (queue DESC, n, why) WHERE queue IS NOT NULL;
CREATE INDEX by_campaign ON calls (campaign, n) WHERE campaign IS NOT NULL;
CREATE INDEX by_number ON calls (number, time);
{_SETTLED}
{_SETTLED_IN}
CREATE TABLE leases (call INTEGER PRIMARY KEY, who TEXT NOT NULL, until REAL NOT NULL);
CREATE TABLE skips (call INTEGER, who TEXT, PRIMARY KEY (call, who)) WITHOUT ROWID;
{_MARKS}
CREATE TABLE people (name TEXT PRIMARY KEY, role TEXT NOT NULL, masked INTEGER NOT NULL,
    digest BLOB UNIQUE NOT NULL, made REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE deeds (n INTEGER PRIMARY KEY, time REAL NOT NULL, who TEXT NOT NULL,
    what TEXT NOT NULL, call INTEGER, about TEXT NOT NULL, detail TEXT NOT NULL,
    undone INTEGER NOT NULL);
CREATE INDEX by_person ON deeds (who, n);
CREATE TABLE learnt (call INTEGER PRIMARY KEY, recording INTEGER NOT NULL);
CREATE TABLE effects (n INTEGER PRIMARY KEY, kind TEXT NOT NULL, call INTEGER, campaign INTEGER,
    mark TEXT NOT NULL, who TEXT NOT NULL, behind INTEGER NOT NULL);
{_TAUGHT}
{_QUARTERS}
"""
_UPGRADES = {
    1: f"""
DROP INDEX by_time;
{_SETTLED}
{_QUARTERS}
INSERT INTO stale SELECT DISTINCT CAST(time / {QUARTER_SECONDS} AS INT) FROM calls
    WHERE time IS NOT NULL;
""",
    2: _SAID,
    3: f"ALTER TABLE campaigns ADD COLUMN {_NOTE};",
    # The mark that a recording had before could be that of its campaign's own effect.
    4: f"""
{_SETTLED_IN}
{_TAUGHT}
INSERT OR IGNORE INTO taught SELECT recording, was, 'campaign' FROM learnt WHERE was = 'new';
INSERT OR IGNORE INTO taught
    SELECT CAST(substr(name, 7) AS INT), '', iif(mark = 'allowed', 'allowed', 'campaign')
    FROM campaigns WHERE name GLOB 'known [0-9]*' AND mark != '';
INSERT OR IGNORE INTO taught SELECT recording, was, 'campaign' FROM learnt;
ALTER TABLE learnt DROP COLUMN was;
""",
    # A handset's mark without a time had that of its import.
    5: f"""
DROP INDEX of_call;
DROP INDEX of_number;
DROP INDEX by_marked;
DROP INDEX by_said;
ALTER TABLE marks RENAME TO former_marks;
{_MARKS}
INSERT INTO marks SELECT n, call, number, source, who, mark, trust,
    iif(source != '' AND time = marked, NULL, time), marked FROM former_marks;
DROP TABLE former_marks;
""",
}
FORMAT = Format(
    kind="store of calls",
    application_id=0x414D434C,  # AMCL
    version=6,
    schema=_SCHEMA,
    upgrades=_UPGRADES,
)
