-- The gateway's database. This file defines its tables and columns.
--
-- One SQLite file (WAL), gateway/gateway.sqlite, that the gateway alone opens. `clip` is a cache
-- of the camera's sidecars; requests, releases and the ledger are only here.
-- Times are Unix seconds unless a name says otherwise. Digests are SHA-256 in hexadecimal.

PRAGMA application_id = 0x434C4947;  -- "CLIG"
PRAGMA user_version = 4;             -- version of this file

-- A clip of the camera, by its sidecar.
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
    kept              INTEGER NOT NULL,    -- 1: an owner said to keep it
    stamp             INTEGER NOT NULL     -- last change of the sidecar, nanoseconds since 1970
) STRICT;
-- Holds all columns that a match reads: the sealed keys are long.
CREATE INDEX clip_by_time ON clip (started_at, truncated, duration_seconds, id, sha256);

-- One row: the state of the gateway; written when it changes, never on a timer.
CREATE TABLE health (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),  -- there is one row, or none
    at       REAL NOT NULL,                -- when it wrote this
    state    TEXT NOT NULL,                -- connecting, connected, broker-away or stopped
    detail   TEXT NOT NULL                 -- a sentence, or empty
) STRICT;

-- A public request as received. Kept for good, so owners can see who asked for what.
CREATE TABLE request (
    digest       TEXT PRIMARY KEY,         -- of the exact compact JWS
    jws          TEXT NOT NULL,            -- that JWS
    jti          TEXT NOT NULL,            -- its id as the requester gave it
    requester    TEXT NOT NULL,            -- fingerprint of its author
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
    log_origin   TEXT NOT NULL DEFAULT '',  -- the public log that was proved to contain it
    log_index    INTEGER,                  -- its index there
    log_size     INTEGER,                  -- entries of the log in that proof
    told_at      REAL                      -- when the owners' first letter about it was written
) STRICT;
-- Holds all columns that a requester's history is counted from: the texts are long.
CREATE INDEX request_by_requester ON request
    (requester, received_at, state, rule, kind, incident, square_miles, first_post,
     window_start, window_end);
CREATE INDEX request_by_reference ON request (requester, reference);
CREATE INDEX request_by_jti ON request (requester, jti);
CREATE INDEX request_by_state ON request (state, expires_at);

-- The match set of a request: the clips an approval may name, as they were when matched.
CREATE TABLE match (
    request TEXT NOT NULL REFERENCES request (digest),  -- the request
    clip    TEXT NOT NULL,                 -- id of the clip, which may be gone by now
    sha256  TEXT NOT NULL,                 -- digest of the sealed file when it matched
    gone    INTEGER NOT NULL DEFAULT 0,    -- 1: deleted since, so no longer offered
    PRIMARY KEY (request, clip)
) STRICT, WITHOUT ROWID;
CREATE INDEX match_by_clip ON match (clip);

-- Requesters that the owners muted.
CREATE TABLE muted (
    requester TEXT PRIMARY KEY,            -- fingerprint
    at        REAL NOT NULL                -- since when
) STRICT, WITHOUT ROWID;

-- One row while the owners have paused requests.
CREATE TABLE pause (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),  -- there is one row, or none
    owner    TEXT NOT NULL,                -- fingerprint of the owner who paused
    at       REAL NOT NULL                 -- since when
) STRICT;

-- Notices to the owners, which need no answer; the oldest rows are deleted.
CREATE TABLE notice (
    number   INTEGER PRIMARY KEY,          -- rises
    kind     TEXT NOT NULL,                -- a kind of the statement Notice
    at       REAL NOT NULL,                -- when it happened
    until    REAL,                         -- no longer relevant after it; null: always
    who      TEXT NOT NULL,                -- its author, by a name that the owner knows
    title    TEXT NOT NULL,                -- one line
    text     TEXT NOT NULL,                -- the whole text, perhaps empty
    subject  TEXT NOT NULL                 -- digest of its post, else empty
) STRICT;
CREATE INDEX notice_by_subject ON notice (subject);

-- Posts beyond the rate limit, which are only counted.
CREATE TABLE flood (
    day      INTEGER NOT NULL,             -- days since 1970, UTC
    source   TEXT NOT NULL,                -- fingerprint of a requester, or empty: anybody
    posts    INTEGER NOT NULL,             -- a lower bound
    PRIMARY KEY (day, source)
) STRICT, WITHOUT ROWID;

-- The same for all days that are over.
CREATE TABLE counted (
    source   TEXT PRIMARY KEY,             -- fingerprint of a requester, or empty: anybody
    posts    INTEGER NOT NULL              -- a lower bound
) STRICT, WITHOUT ROWID;

-- The verified state of each public log: see consent/transparency/.
CREATE TABLE log (
    origin   TEXT PRIMARY KEY,             -- its name in its checkpoints
    view     TEXT NOT NULL                 -- its checkpoints, as text
) STRICT, WITHOUT ROWID;

-- Owners' commands that wait for the camera's answer.
CREATE TABLE camera_command (
    name       TEXT PRIMARY KEY,           -- first 16 digits of its digest
    jws        TEXT NOT NULL,              -- the owner's compact JWS
    subject    TEXT NOT NULL,              -- id of the clip, else empty
    wish       TEXT NOT NULL,              -- what it says, in words
    owner      TEXT NOT NULL,              -- fingerprint of the owner who signed it
    at         REAL NOT NULL,              -- when it arrived
    expires_at REAL NOT NULL               -- the camera does not obey it after this time
) STRICT, WITHOUT ROWID;

-- Ids of owners' statements that took effect: none does twice.
CREATE TABLE seen (
    jti    TEXT PRIMARY KEY,               -- the statement's id
    digest TEXT NOT NULL,                  -- of its compact JWS
    at     REAL NOT NULL                   -- when it took effect
) STRICT, WITHOUT ROWID;

-- One row: when the ledger in this file began. Earlier statements belong to a file that was
-- lost, so it is unknown if they took effect.
CREATE TABLE begun (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),  -- there is one row, or none
    at       REAL NOT NULL                 -- wall time by a synced clock
) STRICT;

-- Releases: one row for each approval or share. Clip keys are never here.
CREATE TABLE release (
    id            TEXT PRIMARY KEY,        -- first 16 digits of the approval's digest
    request       TEXT REFERENCES request (digest),  -- the approved request; null: a share
    approval      TEXT NOT NULL,           -- the owner's compact JWS, an approval or a share
    second        TEXT NOT NULL DEFAULT '',  -- a second owner's approval, if needed
    state         TEXT NOT NULL,           -- a state of consent/lifecycle.py RELEASE
    detail        TEXT NOT NULL,           -- why it failed or was revoked, else empty
    approved_at   REAL NOT NULL,           -- when the approval was accepted
    expires_at    REAL NOT NULL,           -- the approval's end; nothing is sent after it
    stop          TEXT NOT NULL DEFAULT '',  -- why it must stop; checked before each chunk
    bundle_bytes  INTEGER,                 -- size of outbox/<id>.age once sealed
    bundle_sha256 TEXT,                    -- digest of outbox/<id>.age once sealed
    upload_url    TEXT,                    -- its URL at the receiver, once created
    sent_bytes    INTEGER NOT NULL DEFAULT 0,  -- offset the receiver last confirmed
    attempts      INTEGER NOT NULL DEFAULT 0,  -- failed tries since the last progress
    not_before    REAL NOT NULL DEFAULT 0,     -- next try, wall time
    deaths        INTEGER NOT NULL DEFAULT 0   -- times the gateway was killed while sealing it
) STRICT;
CREATE INDEX release_by_state ON release (state, not_before);

-- The clips of a release. Retention spares them until it is sealed.
CREATE TABLE release_clip (
    release TEXT NOT NULL REFERENCES release (id),  -- the release
    clip    TEXT NOT NULL,                 -- id of the clip, which may be gone by now
    PRIMARY KEY (release, clip)
) STRICT, WITHOUT ROWID;

-- The clips in the sealed bundle of a release. The owners compare them with their previews.
CREATE TABLE released_file (
    release TEXT NOT NULL REFERENCES release (id),  -- the release
    clip    TEXT NOT NULL,                 -- id of the clip
    sha256  TEXT NOT NULL,                 -- digest of its MP4 in the bundle
    PRIMARY KEY (release, clip)
) STRICT, WITHOUT ROWID;

-- Releases whose receipt by the recipient has not come yet, from sealing on.
CREATE TABLE receipt (
    release    TEXT PRIMARY KEY REFERENCES release (id),  -- the release
    statement  TEXT NOT NULL,              -- digest of release.jws in the sealed bundle
    sent_at    REAL,                       -- when the last byte was sent; null: not yet
    asked      INTEGER NOT NULL DEFAULT 0, -- times that the receiver had none
    not_before REAL NOT NULL DEFAULT 0,    -- next question, wall time
    overdue    INTEGER NOT NULL DEFAULT 0  -- 1: the owners were told that none came
) STRICT, WITHOUT ROWID;

-- Decisions that their owner must name again, in a `sync` signed after `at`, before the release goes
-- on: what that owner said meanwhile may have been lost.
CREATE TABLE hold (
    decision TEXT PRIMARY KEY,             -- first 16 digits of the digest of an approval or share
    release  TEXT NOT NULL REFERENCES release (id),  -- the release that it is part of
    owner    TEXT NOT NULL,                -- fingerprint of the owner who signed it
    at       REAL NOT NULL,                -- since when
    why      TEXT NOT NULL                 -- a reason for people
) STRICT, WITHOUT ROWID;
CREATE INDEX hold_by_release ON hold (release);

-- The computers of each owner that have sent a `sync` in the last month. A held release goes on
-- only when all of them were heard since: each may know of a revocation that was lost.
CREATE TABLE computer (
    owner TEXT NOT NULL,                   -- fingerprint
    id    TEXT NOT NULL,                   -- as the computer names itself
    at    REAL NOT NULL,                   -- when its last sync was signed
    PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;

-- One row if this file was once restored from an older copy: what was signed before that may have
-- been revoked meanwhile.
CREATE TABLE doubt (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),  -- there is one row, or none
    at       REAL NOT NULL                 -- when the older copy was noticed
) STRICT;

-- The last message of each outgoing topic: sent after commit and at every connection.
CREATE TABLE letter (
    topic    TEXT PRIMARY KEY,             -- full MQTT topic, retained
    payload  BLOB NOT NULL,                -- sealed; an empty one empties the topic
    revision INTEGER NOT NULL,             -- counts the payloads of this topic
    acked    INTEGER NOT NULL DEFAULT 0,   -- last revision the broker has confirmed
    at       REAL NOT NULL DEFAULT 0       -- when it was written
) STRICT;

-- The ledger: all that was asked and done.
CREATE TABLE ledger (
    seq     INTEGER PRIMARY KEY,           -- 1, 2, 3, ... without a gap
    at      REAL NOT NULL,                 -- wall time of the line
    event   TEXT NOT NULL,                 -- what happened, e.g. request.refused
    subject TEXT NOT NULL,                 -- digest, release id or topic of its subject
    detail  TEXT NOT NULL                  -- JSON object, keys sorted
) STRICT;
CREATE INDEX ledger_by_subject ON ledger (subject);

-- The Merkle tree over the ledger's lines: the roots of all complete subtrees.
CREATE TABLE ledger_node (
    level  INTEGER NOT NULL,               -- it covers 2^level lines; 0: one line
    number INTEGER NOT NULL,               -- from number * 2^level, counted from 0
    hash   BLOB NOT NULL,                  -- SHA-256 as in RFC 6962
    PRIMARY KEY (level, number)
) STRICT, WITHOUT ROWID;

-- One row once the ledger's head is remembered in keys/ledger-head, which then must be there.
CREATE TABLE anchored (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),  -- there is one row, or none
    lost_at  REAL                          -- when that file was last found missing, else null
) STRICT;

-- The heads of the ledger from which each owner wants growth proved, by their last sync.
CREATE TABLE acknowledged (
    owner TEXT NOT NULL,                   -- fingerprint
    size  INTEGER NOT NULL,                -- lines of the ledger
    at    REAL NOT NULL,                   -- when the owner signed it
    PRIMARY KEY (owner, size)
) STRICT, WITHOUT ROWID;
