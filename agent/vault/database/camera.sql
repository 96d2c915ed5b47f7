-- The camera's index. This file defines its tables and columns.
--
-- One SQLite file (WAL), camera/index.sqlite, that the camera alone opens. `clip` is a
-- cache of the sidecars: `clip-agent reindex`, or the camera's next start, rebuilds it.
-- Times are Unix seconds unless a name says otherwise. Digests are SHA-256 in hexadecimal.

PRAGMA application_id = 0x434C4943;  -- "CLIC"
PRAGMA user_version = 2;             -- version of this file

-- A sealed recording in camera/clips/. A row exists only for a finished, synced file.
CREATE TABLE clip (
    id                TEXT PRIMARY KEY,    -- YYYYMMDD-HHMMSS-xxxxxx (UTC); names the files too
    started_at        REAL NOT NULL,       -- wall time of the first frame, corrected once synced
    duration_seconds  REAL NOT NULL,       -- from first to last frame; 0 if truncated: unknown
    monotonic_seconds REAL NOT NULL,       -- monotonic time of the first frame, within boot_id
    boot_id           TEXT NOT NULL,       -- the kernel's boot id while it was recorded
    clock_synced      INTEGER NOT NULL,    -- 1: started_at comes from a synced clock
    bytes             INTEGER NOT NULL,    -- size of the sealed file
    sha256            TEXT NOT NULL,       -- digest of the sealed file
    sealed_key        TEXT NOT NULL,       -- the clip's age identity sealed to the owners, base64
    truncated         INTEGER NOT NULL,    -- 1: recording was cut off, the end is missing
    kept              INTEGER NOT NULL DEFAULT 0, -- 1: an owner said to keep it
    deleting          INTEGER NOT NULL DEFAULT 0  -- 1: files are being removed, finish at start
) STRICT;
CREATE INDEX clip_by_time ON clip (started_at);
-- For the ages of clips, each by its clock.
CREATE INDEX clip_of_boot ON clip (boot_id, monotonic_seconds, duration_seconds);
CREATE INDEX clip_dated ON clip (started_at, duration_seconds) WHERE clock_synced = 1;
-- Few clips at most times.
CREATE INDEX clip_unsynced ON clip (boot_id) WHERE clock_synced = 0;
CREATE INDEX clip_kept ON clip (bytes) WHERE kept = 1;
CREATE INDEX clip_deleting ON clip (id) WHERE deleting = 1;

-- Owners' commands that the camera has obeyed: none counts twice.
CREATE TABLE command (
    jti    TEXT PRIMARY KEY,               -- the statement's id
    name   TEXT NOT NULL,                  -- first 16 digits of its digest
    answer TEXT NOT NULL,                  -- what was done
    at     REAL NOT NULL                   -- when
) STRICT, WITHOUT ROWID;
