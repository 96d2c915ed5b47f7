-- The index of a device: the authority on what each table and column means.
--
-- One SQLite file (WAL), written by both processes: the camera writes `clip` and its
-- line in `health`, the gateway everything else. `clip` is a cache of the sidecars
-- (`clip-agent reindex` rebuilds it); requests, releases and the ledger live only here.
-- Times are Unix seconds unless a name says otherwise. Digests are SHA-256 in hexadecimal.

PRAGMA application_id = 0x434C4950;  -- "CLIP"
PRAGMA user_version = 1;             -- version of this file

-- A sealed recording in clips/. A row exists only for a finished, synced file.
CREATE TABLE clip (
    id                TEXT PRIMARY KEY,    -- YYYYMMDD-HHMMSS-xxxxxx (UTC); names the files too
    started_at        REAL NOT NULL,       -- wall time of the first frame, corrected once synced
    duration_seconds  REAL NOT NULL,       -- from first to last frame
    monotonic_seconds REAL NOT NULL,       -- monotonic time of the first frame, within boot_id
    boot_id           TEXT NOT NULL,       -- the kernel's boot id while it was recorded
    clock_synced      INTEGER NOT NULL,    -- 1: started_at comes from a synced clock
    bytes             INTEGER NOT NULL,    -- size of the sealed file
    sha256            TEXT NOT NULL,       -- digest of the sealed file
    sealed_key        TEXT NOT NULL,       -- the clip's age identity sealed to the owners, base64
    truncated         INTEGER NOT NULL,    -- 1: recording was cut off, the end is missing
    deleting          INTEGER NOT NULL DEFAULT 0  -- 1: files are being unlinked, finish at start
) STRICT;
CREATE INDEX clip_by_time ON clip (started_at);

-- What a process last said of itself; written when it changes, never on a timer.
CREATE TABLE health (
    part           TEXT PRIMARY KEY,       -- 'camera' or 'gateway'
    at             REAL NOT NULL,          -- when it said so
    state          TEXT NOT NULL,          -- armed, recording, disk-full, stopped, ...
    detail         TEXT NOT NULL,          -- a sentence, or empty
    last_motion_at REAL                    -- when the last motion began; camera only
) STRICT;

-- A public request as received. Kept for good: the owner's record of who asked for what.
CREATE TABLE request (
    digest       TEXT PRIMARY KEY,         -- of the exact compact JWS
    jws          TEXT NOT NULL,            -- that JWS
    jti          TEXT NOT NULL,            -- its id as the requester gave it
    requester    TEXT NOT NULL,            -- key id of its author
    reference    TEXT NOT NULL,            -- the author's reference number
    state        TEXT NOT NULL,            -- a state of consent/lifecycle.py REQUEST
    rule         TEXT NOT NULL,            -- the rule that refused it, else empty
    received_at  REAL NOT NULL,            -- when this device first saw it
    window_start REAL NOT NULL,            -- asks for clips from here
    window_end   REAL NOT NULL,            -- to here
    expires_at   REAL NOT NULL             -- open until then at most
) STRICT;
CREATE INDEX request_by_requester ON request (requester, received_at);
CREATE INDEX request_by_state ON request (state, expires_at);

-- The match set of a request: the clips an approval may name, as they were when matched.
CREATE TABLE match (
    request TEXT NOT NULL REFERENCES request (digest),  -- who asks
    clip    TEXT NOT NULL,                 -- id of the clip; its row may be gone by now
    sha256  TEXT NOT NULL,                 -- digest of the sealed file when it matched
    PRIMARY KEY (request, clip)
) STRICT, WITHOUT ROWID;
CREATE INDEX match_by_clip ON match (clip);

-- Requesters of whom the owners want to see nothing more.
CREATE TABLE muted (
    requester TEXT PRIMARY KEY,            -- key id
    at        REAL NOT NULL                -- since when
) STRICT, WITHOUT ROWID;

-- Ids of owners' statements that were acted on: nothing counts twice.
CREATE TABLE seen (
    jti    TEXT PRIMARY KEY,               -- the statement's id
    digest TEXT NOT NULL,                  -- of its compact JWS
    at     REAL NOT NULL                   -- when it was acted on
) STRICT, WITHOUT ROWID;

-- A clip's way out after an approval, one row an approval. Clip keys are never here.
CREATE TABLE release (
    id            TEXT PRIMARY KEY,        -- first 16 digits of the approval's digest
    request       TEXT NOT NULL REFERENCES request (digest),  -- what it answers
    approval      TEXT NOT NULL,           -- the owner's compact JWS
    state         TEXT NOT NULL,           -- a state of consent/lifecycle.py RELEASE
    detail        TEXT NOT NULL,           -- why it failed or was revoked, else empty
    approved_at   REAL NOT NULL,           -- when the approval was accepted
    expires_at    REAL NOT NULL,           -- the approval's end: nothing is sent after it
    stop          TEXT NOT NULL DEFAULT '',  -- why it must stop, if it must; obeyed before each byte
    bundle_bytes  INTEGER,                 -- size of outbox/<id>.age once sealed
    bundle_sha256 TEXT,                    -- digest of outbox/<id>.age once sealed
    upload_url    TEXT,                    -- where the receiver keeps it, once created
    sent_bytes    INTEGER NOT NULL DEFAULT 0,  -- offset the receiver last confirmed
    attempts      INTEGER NOT NULL DEFAULT 0,  -- failed tries since the last progress
    not_before    REAL NOT NULL DEFAULT 0      -- next try, wall time
) STRICT;
CREATE INDEX release_by_state ON release (state, not_before);

-- The last message of each outgoing topic: sent after commit, and again at every connect.
CREATE TABLE letter (
    topic    TEXT PRIMARY KEY,             -- full MQTT topic, retained
    payload  BLOB NOT NULL,                -- sealed; empty empties the retained topic
    revision INTEGER NOT NULL,             -- counts the payloads of this topic
    acked    INTEGER NOT NULL DEFAULT 0    -- last revision the broker has confirmed
) STRICT;

-- The owner's record: everything that was asked and done, each line chained to the one before.
CREATE TABLE ledger (
    seq     INTEGER PRIMARY KEY,           -- 1, 2, 3, ... without a gap
    at      REAL NOT NULL,                 -- wall time of the line
    event   TEXT NOT NULL,                 -- what happened, e.g. request.refused
    subject TEXT NOT NULL,                 -- digest, release id or topic it is about
    detail  TEXT NOT NULL,                 -- JSON object, keys sorted
    prev    TEXT NOT NULL,                 -- digest of the line before; 64 zeros at the first
    sha256  TEXT NOT NULL                  -- digest of this line in canonical JSON
) STRICT;
CREATE INDEX ledger_by_subject ON ledger (subject);
