-- The index of a device: the authority on what each table and column means.
--
-- One SQLite file (WAL), written by both processes: the camera writes `clip` and its
-- line in `health`, the gateway everything else. `clip` is a cache of the sidecars
-- (`clip-agent reindex` rebuilds it); requests, releases and the ledger live only here.
-- Times are Unix seconds unless a name says otherwise. Digests are SHA-256 in hexadecimal.

PRAGMA application_id = 0x434C4950;  -- "CLIP"
PRAGMA user_version = 3;             -- version of this file; from older ones: schema.py

-- A sealed recording in clips/. A row exists only for a finished, synced file.
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
    deleting          INTEGER NOT NULL DEFAULT 0  -- 1: files are being unlinked, finish at start
) STRICT;
CREATE INDEX clip_by_time ON clip (started_at);

-- What a process last said of itself; written when it changes, never on a timer.
CREATE TABLE health (
    part           TEXT PRIMARY KEY,       -- 'camera' or 'gateway'
    at             REAL NOT NULL,          -- when it said so
    state          TEXT NOT NULL,          -- armed, recording, disk-full, stopped, ...
    detail         TEXT NOT NULL,          -- a sentence, or empty
    last_motion_at REAL,                   -- when the last motion began; camera only
    encoder        TEXT NOT NULL DEFAULT ''  -- what makes the video; camera only
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
    expires_at   REAL NOT NULL,            -- open until then at most
    kind         TEXT NOT NULL DEFAULT '',  -- voluntary or legal-order
    incident     TEXT NOT NULL DEFAULT '',  -- the incident type as the requester gave it
    square_miles REAL,                     -- size of the area; null if it cannot be measured
    first_post   TEXT NOT NULL DEFAULT '',  -- digest of the post that had this jti before
    log_origin   TEXT NOT NULL DEFAULT '',  -- the public log that it was shown to stand in
    log_index    INTEGER,                  -- its place there
    log_size     INTEGER,                  -- entries of the log when that was shown
    told_at      REAL                      -- when the owners' first letter about it was written
) STRICT;
-- Holds all that the record of a requester is counted from: the texts are long, and far away.
CREATE INDEX request_by_requester ON request
    (requester, received_at, state, rule, kind, incident, square_miles, first_post,
     window_start, window_end);
CREATE INDEX request_by_reference ON request (requester, reference);
CREATE INDEX request_by_jti ON request (requester, jti);
CREATE INDEX request_by_state ON request (state, expires_at);

-- The match set of a request: the clips an approval may name, as they were when matched.
CREATE TABLE match (
    request TEXT NOT NULL REFERENCES request (digest),  -- who asks
    clip    TEXT NOT NULL,                 -- id of the clip; its row may be gone by now
    sha256  TEXT NOT NULL,                 -- digest of the sealed file when it matched
    gone    INTEGER NOT NULL DEFAULT 0,    -- 1: deleted since, and on offer no more
    PRIMARY KEY (request, clip)
) STRICT, WITHOUT ROWID;
CREATE INDEX match_by_clip ON match (clip);

-- Requesters of whom the owners want to see nothing more.
CREATE TABLE muted (
    requester TEXT PRIMARY KEY,            -- key id
    at        REAL NOT NULL                -- since when
) STRICT, WITHOUT ROWID;

-- One row while the owners want to see no requests at all.
CREATE TABLE pause (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),  -- there is one row, or none
    owner    TEXT NOT NULL,                -- key id of the owner who said so
    at       REAL NOT NULL                 -- since when
) STRICT;

-- What the owners should know and cannot answer; the oldest rows go.
CREATE TABLE notice (
    number   INTEGER PRIMARY KEY,          -- rises
    kind     TEXT NOT NULL,                -- a kind of the statement Notice
    at       REAL NOT NULL,                -- when it happened
    until    REAL,                         -- of no interest after it; null: stays
    who      TEXT NOT NULL,                -- whose doing, as the owner knows them
    title    TEXT NOT NULL,                -- one line
    text     TEXT NOT NULL,                -- all of it, perhaps empty
    subject  TEXT NOT NULL                 -- digest of the post it is about, else empty
) STRICT;
CREATE INDEX notice_by_subject ON notice (subject);

-- Posts that were counted and no longer kept one by one.
CREATE TABLE flood (
    day      INTEGER NOT NULL,             -- days since 1970, UTC
    source   TEXT NOT NULL,                -- key id of a requester, or empty: anybody
    posts    INTEGER NOT NULL,             -- how many were only counted
    PRIMARY KEY (day, source)
) STRICT, WITHOUT ROWID;

-- How many posts of a requester were only counted, on all days that are over.
CREATE TABLE counted (
    source   TEXT PRIMARY KEY,             -- key id of a requester, or empty: anybody
    posts    INTEGER NOT NULL              -- a least number
) STRICT, WITHOUT ROWID;

-- What is believed of each public log: see consent/transparency.py.
CREATE TABLE log (
    origin   TEXT PRIMARY KEY,             -- its name in its checkpoints
    view     TEXT NOT NULL                 -- the states it was seen in, as text
) STRICT, WITHOUT ROWID;

-- Ids of owners' statements that were acted on: nothing counts twice.
CREATE TABLE seen (
    jti    TEXT PRIMARY KEY,               -- the statement's id
    digest TEXT NOT NULL,                  -- of its compact JWS
    at     REAL NOT NULL                   -- when it was acted on
) STRICT, WITHOUT ROWID;

-- One row: when this file began to hold the record. Statements from before are those of a
-- file that was lost, and of what was done with them nothing is known any more.
CREATE TABLE begun (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),  -- there is one row, or none
    at       REAL NOT NULL                 -- wall time by a synced clock
) STRICT;

-- A clip's way out, one row for each approval or share. Clip keys are never here.
CREATE TABLE release (
    id            TEXT PRIMARY KEY,        -- first 16 digits of the approval's digest
    request       TEXT REFERENCES request (digest),  -- what it answers; null: a share
    approval      TEXT NOT NULL,           -- the owner's compact JWS, an approval or a share
    second        TEXT NOT NULL DEFAULT '',  -- another owner's approval of the same, if needed
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
    not_before    REAL NOT NULL DEFAULT 0,     -- next try, wall time
    deaths        INTEGER NOT NULL DEFAULT 0   -- times the gateway was killed while it sealed this
) STRICT;
CREATE INDEX release_by_state ON release (state, not_before);

-- The clips that a release is to hold: not deleted to make room before it is sealed.
CREATE TABLE release_clip (
    release TEXT NOT NULL REFERENCES release (id),  -- which
    clip    TEXT NOT NULL,                 -- id of the clip; its row may be gone by now
    PRIMARY KEY (release, clip)
) STRICT, WITHOUT ROWID;

-- The last message of each outgoing topic: sent after commit, and again at every connect.
CREATE TABLE letter (
    topic    TEXT PRIMARY KEY,             -- full MQTT topic, retained
    payload  BLOB NOT NULL,                -- sealed; empty empties the retained topic
    revision INTEGER NOT NULL,             -- counts the payloads of this topic
    acked    INTEGER NOT NULL DEFAULT 0,   -- last revision the broker has confirmed
    at       REAL NOT NULL DEFAULT 0       -- when it was put there
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
