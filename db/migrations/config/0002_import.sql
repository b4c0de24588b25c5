-- Imports under way: begun, neither committed nor aborted. `load` is the revision of the beginning.
CREATE TABLE map_import (
    load INTEGER PRIMARY KEY, map TEXT NOT NULL, mode TEXT NOT NULL, base_rev INTEGER NOT NULL,
    chunks INTEGER NOT NULL DEFAULT 0, at REAL NOT NULL
);

-- What kind of entry an audit row tells of: the chunks of an import are recorded, not listed.
ALTER TABLE audit ADD COLUMN kind TEXT NOT NULL DEFAULT 'ops';

-- Housekeeping looks for old records, and for recent ones that a map may be taken back to.
CREATE INDEX audit_at ON audit (at);
