-- Administrators of the console. keys: a JSON list of {key, fingerprint, comment}; password: a hash, or empty;
-- totp: the sealed secret of one-time codes, or empty.
CREATE TABLE admin (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, keys TEXT NOT NULL, password TEXT NOT NULL, totp TEXT NOT NULL,
    rev INTEGER NOT NULL
) WITHOUT ROWID;
