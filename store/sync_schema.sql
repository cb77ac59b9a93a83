-- sync.db: what this device knows about its peers and about itself. Deleting it loses no change.
-- It is never migrated: a file of another version is made anew.

CREATE TABLE event (
	id    INTEGER PRIMARY KEY AUTOINCREMENT,
	at_ms INTEGER NOT NULL,
	level TEXT NOT NULL, -- info, warning, error
	text  TEXT NOT NULL,
	times   INTEGER NOT NULL DEFAULT 1, -- that it came, with no other between; at_ms is the first ...
	last_ms INTEGER NOT NULL            -- ... and this the last
) STRICT;

-- One row for each device that something is known of or set for; others have the defaults.
CREATE TABLE peer (
	device      BLOB PRIMARY KEY,            -- uuid
	seen_ms     INTEGER NOT NULL DEFAULT 0,  -- when it last answered
	address     TEXT NOT NULL DEFAULT '',    -- where it last answered
	sync        INTEGER NOT NULL DEFAULT 1,  -- 0: nothing is exchanged with it
	kinds       INTEGER NOT NULL DEFAULT -1, -- state kinds that are taken from it, one bit each; -1: all
	limit_bytes INTEGER NOT NULL DEFAULT 0,  -- a second, each way; 0: no limit
	error       TEXT NOT NULL DEFAULT '',    -- what went wrong last; empty after a success
	error_ms    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Where a device answered before, or where the user says that it is (manual = 1: kept until taken away).
CREATE TABLE peer_address (
	device  BLOB NOT NULL,
	manual  INTEGER NOT NULL,
	address TEXT NOT NULL,
	used    INTEGER NOT NULL, -- grows: the newest has the greatest
	PRIMARY KEY (device, manual, address)
) STRICT, WITHOUT ROWID;

-- What each member is known to have of each stream (kind 0: the log; others: the kind of its rows).
CREATE TABLE ack (
	member   BLOB NOT NULL,
	device   BLOB NOT NULL,
	epoch    INTEGER NOT NULL,
	kind     INTEGER NOT NULL,
	position INTEGER NOT NULL,
	hlc      INTEGER NOT NULL, -- of the log's record there
	PRIMARY KEY (member, device, epoch, kind)
) STRICT, WITHOUT ROWID;
