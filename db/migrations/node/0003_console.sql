-- When administrators last came in by SSH, here; from which addresses a key let somebody in.
CREATE TABLE console_seen (name TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE console_trusted (client TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;

-- The last time step whose code was used, of the secret with this digest: a code is good once.
CREATE TABLE console_code (name TEXT PRIMARY KEY, secret TEXT NOT NULL, step INTEGER NOT NULL) WITHOUT ROWID;

-- The change on trial, one at most. before: the revision that it was made on; revision: its own, 0 while it is made.
CREATE TABLE trial (
    one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, until REAL NOT NULL, seconds REAL NOT NULL,
    by TEXT NOT NULL, origin TEXT NOT NULL, before INTEGER NOT NULL, revision INTEGER NOT NULL
);
