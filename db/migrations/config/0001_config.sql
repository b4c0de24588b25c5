-- config.db: configuration and replicated data. Changed by applied log entries only.

-- epoch, revision (last entry applied), digest, config_revision (last that changed `object`)
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- The local log: a single node's change log (a cluster keeps it elsewhere). Never edited, trimmed from its old end.
CREATE TABLE log (revision INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, entry BLOB NOT NULL);

-- Configuration: one row for each site, node, backend, map, service, certificate ... Body: JSON of what was set.
CREATE TABLE object (
    kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, rev INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- Which generation ("load": the revision of the import's beginning) of a map is in use, and which can be gone back to.
CREATE TABLE map_state (
    map TEXT PRIMARY KEY, load INTEGER NOT NULL, previous INTEGER NOT NULL DEFAULT 0,
    previous_until REAL NOT NULL DEFAULT 0, entries INTEGER NOT NULL DEFAULT 0, rev INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE map_entry (
    load INTEGER NOT NULL, address TEXT NOT NULL, backend TEXT NOT NULL, rev INTEGER NOT NULL,
    PRIMARY KEY (load, address)
) WITHOUT ROWID;

CREATE TABLE account (
    address TEXT PRIMARY KEY, password TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'on', rev INTEGER NOT NULL
) WITHOUT ROWID;

-- scope: address (an IP or network) or account
CREATE TABLE ban (
    scope TEXT NOT NULL, subject TEXT NOT NULL, until REAL NOT NULL, reason TEXT NOT NULL, rev INTEGER NOT NULL,
    PRIMARY KEY (scope, subject)
) WITHOUT ROWID;

-- Who changed what: one row for each entry, conflicts included; before and after: JSON lists of row images.
CREATE TABLE audit (
    revision INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at REAL NOT NULL, by TEXT NOT NULL, origin TEXT NOT NULL,
    what TEXT NOT NULL, verdict TEXT NOT NULL, conflict TEXT NOT NULL DEFAULT '',
    before TEXT NOT NULL DEFAULT '[]', after TEXT NOT NULL DEFAULT '[]'
);
