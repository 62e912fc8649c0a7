"""The tables of a store of number ranges, and the way from earlier versions to them."""

from audio_model.ranges.campaigns import CAMPAIGNS_SCHEMA
from audio_model.ranges.rows import CALL_COLUMNS, CHANGE_COLUMNS, NODE_COLUMNS
from audio_model.sqlite import Format

_SCHEMA = f"""
CREATE TABLE ranges (prefix TEXT PRIMARY KEY, {", ".join(NODE_COLUMNS[1:])}) WITHOUT ROWID;
CREATE INDEX held ON ranges (state) WHERE state != 'closed';
CREATE TABLE calls (n INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, {", ".join(CALL_COLUMNS[1:])});
CREATE TABLE changes (n INTEGER PRIMARY KEY, {", ".join(CHANGE_COLUMNS)});
CREATE INDEX changed ON changes (prefix);
CREATE INDEX timed ON changes (time);
CREATE TABLE settings (n INTEGER PRIMARY KEY, policy);
CREATE TABLE allowed (prefix TEXT PRIMARY KEY, note, time, who) WITHOUT ROWID;
CREATE TABLE marks (id TEXT PRIMARY KEY, mark, marked, {", ".join(CALL_COLUMNS[1:])}) WITHOUT ROWID;
"""
_UPGRADES = {
    2: """
ALTER TABLE ranges ADD COLUMN kinds DEFAULT '{}';
ALTER TABLE ranges ADD COLUMN blocked DEFAULT 0;
ALTER TABLE changes ADD COLUMN who DEFAULT '';
ALTER TABLE changes ADD COLUMN note DEFAULT '';
ALTER TABLE allowed ADD COLUMN who DEFAULT '';
CREATE INDEX timed ON changes (time);
""",
    3: CAMPAIGNS_SCHEMA,
    4: "ALTER TABLE ranges ADD COLUMN marked_since DEFAULT 0;",
}
FORMAT = Format(
    kind="store of number ranges",
    application_id=0x414D5247,  # AMRG
    version=5,
    schema=_SCHEMA + CAMPAIGNS_SCHEMA,
    upgrades=_UPGRADES,
)
