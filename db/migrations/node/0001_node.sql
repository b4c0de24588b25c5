-- node.db: this node's own, never replicated.
CREATE TABLE self (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Log-ins that ended one way or the other; the oldest go first.
CREATE TABLE outcome (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, session TEXT NOT NULL, service TEXT NOT NULL,
    user TEXT NOT NULL, client TEXT NOT NULL, backend TEXT NOT NULL, source TEXT NOT NULL, refusal TEXT NOT NULL,
    why TEXT NOT NULL, ms TEXT NOT NULL
);
