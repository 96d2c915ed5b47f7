"""What to do to the index of an older version, so that it is one of the next.

Statements, in order; :mod:`.schema` runs them in one transaction. A process of the old
program may still be at work on the file, so what is added has a default.
"""

from __future__ import annotations

UPGRADES: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE health ADD COLUMN encoder TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE request ADD COLUMN kind TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE request ADD COLUMN incident TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE request ADD COLUMN square_miles REAL",
        "ALTER TABLE request ADD COLUMN first_post TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE request ADD COLUMN log_origin TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE request ADD COLUMN log_index INTEGER",
        "ALTER TABLE request ADD COLUMN log_size INTEGER",
        "CREATE INDEX request_by_jti ON request (requester, jti)",
        "CREATE INDEX request_by_reference ON request (requester, reference)",
        "DROP INDEX request_by_requester",
        (
            "CREATE INDEX request_by_requester ON request (requester, received_at, state, rule, "
            "kind, incident, square_miles, first_post, window_start, window_end)"
        ),
        (
            "CREATE TABLE pause ( only_row INTEGER PRIMARY KEY CHECK (only_row = 1), owner TEXT "
            "NOT NULL, at REAL NOT NULL ) STRICT"
        ),
        (
            "CREATE TABLE notice ( number INTEGER PRIMARY KEY, kind TEXT NOT NULL, at REAL NOT "
            "NULL, until REAL, who TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL, "
            "subject TEXT NOT NULL ) STRICT"
        ),
        (
            "CREATE TABLE flood ( day INTEGER NOT NULL, source TEXT NOT NULL, posts INTEGER NOT "
            "NULL, PRIMARY KEY (day, source) ) STRICT, WITHOUT ROWID"
        ),
        ("CREATE TABLE log ( origin TEXT PRIMARY KEY, view TEXT NOT NULL ) STRICT, WITHOUT ROWID"),
        "CREATE INDEX notice_by_subject ON notice (subject)",
        "ALTER TABLE release RENAME TO old_release",
        (
            "CREATE TABLE release ( id TEXT PRIMARY KEY, request TEXT REFERENCES request "
            "(digest), approval TEXT NOT NULL, second TEXT NOT NULL DEFAULT '', state TEXT NOT "
            "NULL, detail TEXT NOT NULL, approved_at REAL NOT NULL, expires_at REAL NOT NULL, "
            "stop TEXT NOT NULL DEFAULT '', bundle_bytes INTEGER, bundle_sha256 TEXT, upload_url "
            "TEXT, sent_bytes INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, "
            "not_before REAL NOT NULL DEFAULT 0 ) STRICT"
        ),
        (
            "INSERT INTO release (id, request, approval, state, detail, approved_at, expires_at, "
            "stop, bundle_bytes, bundle_sha256, upload_url, sent_bytes, attempts, not_before) "
            "SELECT id, request, approval, state, detail, approved_at, expires_at, stop, "
            "bundle_bytes, bundle_sha256, upload_url, sent_bytes, attempts, not_before FROM "
            "old_release"
        ),
        "DROP TABLE old_release",
        "CREATE INDEX release_by_state ON release (state, not_before)",
    ),
    2: (
        (
            "CREATE TABLE release_clip ( release TEXT NOT NULL REFERENCES release (id), clip TEXT "
            "NOT NULL, PRIMARY KEY (release, clip) ) STRICT, WITHOUT ROWID"
        ),
        (
            "INSERT INTO release_clip SELECT release.id, match.clip FROM release JOIN match "
            "USING (request) WHERE release.state = 'APPROVED'"
        ),
        "ALTER TABLE match ADD COLUMN gone INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE request ADD COLUMN told_at REAL",
        (
            "UPDATE request SET told_at = received_at"
            " WHERE EXISTS (SELECT 1 FROM match WHERE request = digest)"
        ),
        "ALTER TABLE letter ADD COLUMN at REAL NOT NULL DEFAULT 0",
        (
            "CREATE TABLE counted ( source TEXT PRIMARY KEY, posts INTEGER NOT NULL ) STRICT, "
            "WITHOUT ROWID"
        ),
        (
            "CREATE TABLE begun ( only_row INTEGER PRIMARY KEY CHECK (only_row = 1), at REAL NOT "
            "NULL ) STRICT"
        ),
        "INSERT INTO begun VALUES (1, 0)",
        "ALTER TABLE release ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0",
    ),
}
