-- The catalogue of a shelf library: database.db.
--
-- You may look at it with the sqlite3 shell while the library is in use; begin with the views at the end:
--     SELECT * FROM files LIMIT 20;
--     SELECT * FROM tagged WHERE tag = 'holiday';
-- Do not write to it: a change that is not in the log never reaches your other devices.
--
-- Columns that end in _at are registers' stamps: 8 bytes of hybrid logical clock (milliseconds << 16 | counter), then the
-- 16 bytes of the device that wrote the value. The greater stamp wins; x'' is "never written".

-- ============================================================================================================
-- Part 1: replicated truth, the log of shared changes, and this device's position in every stream
-- ============================================================================================================

-- One row: which library this is, and whose copy.
CREATE TABLE library (
	id         INTEGER PRIMARY KEY CHECK (id = 1),
	uuid       BLOB NOT NULL,          -- 16 bytes
	name       TEXT NOT NULL,
	self       INTEGER NOT NULL,       -- device.id of this device
	created_ms INTEGER NOT NULL,
	hlc        INTEGER NOT NULL DEFAULT 0, -- the greatest stamp that came in another way than by a log
	digest     INTEGER NOT NULL DEFAULT 0  -- of shared rows: what came in another way than by a log (see log.digest)
) STRICT;

-- Shared: the members. A row stays when a device is removed (member = 0).
CREATE TABLE device (
	id            INTEGER PRIMARY KEY,
	uuid          BLOB NOT NULL UNIQUE, -- 16 bytes of BLAKE2b(public key)
	name          TEXT NOT NULL DEFAULT '',
	name_at       BLOB NOT NULL DEFAULT x'',
	public_key    BLOB NOT NULL DEFAULT x'',
	public_key_at BLOB NOT NULL DEFAULT x'',
	member        INTEGER NOT NULL DEFAULT 0,
	member_at     BLOB NOT NULL DEFAULT x'',
	added_by      BLOB NOT NULL DEFAULT x'', -- uuid of the device that added it
	added_by_at   BLOB NOT NULL DEFAULT x'',
	discovery     BLOB NOT NULL DEFAULT x'', -- 32 bytes that beacons are sealed with: of all members' keys the newest counts
	discovery_at  BLOB NOT NULL DEFAULT x''
) STRICT;

-- Shared: tags (kind 1), albums (kind 2) and the one built-in row that favorites hang on (kind 3, id 1).
CREATE TABLE collection (
	id       INTEGER PRIMARY KEY,      -- rows are never deleted, so ids are never reused
	kind     INTEGER NOT NULL,
	uuid     BLOB NOT NULL,            -- v5 of the NFC name that it was made with
	name     TEXT NOT NULL DEFAULT '', -- as typed
	name_key TEXT NOT NULL DEFAULT '', -- in NFC: names are compared by it
	name_at  BLOB NOT NULL DEFAULT x'',
	live     INTEGER NOT NULL DEFAULT 0,
	live_at  BLOB NOT NULL DEFAULT x'',
	life     INTEGER NOT NULL DEFAULT 0, -- of this device: how often it came back, so that the kernel can tell its lives apart
	UNIQUE (kind, uuid)
) STRICT;
CREATE INDEX collection_name ON collection (kind, name_key);

-- Shared: an entry in a collection: a tagging, an album item or a favorite. live = 0 is a tombstone, kept for ever.
CREATE TABLE pair (
	id           INTEGER PRIMARY KEY,  -- rows are never deleted, so ids are never reused
	collection   INTEGER NOT NULL REFERENCES collection (id),
	entry_prefix INTEGER NOT NULL,     -- the entry's uuid: location.prefix ...
	entry_seq    INTEGER NOT NULL,     -- ... and entry.seq
	name         TEXT NOT NULL DEFAULT '', -- of the link
	name_at      BLOB NOT NULL DEFAULT x'',
	live         INTEGER NOT NULL DEFAULT 0,
	live_at      BLOB NOT NULL DEFAULT x'',
	content      BLOB NOT NULL DEFAULT x'', -- content id of the entry, which stands in for it when it is gone
	content_at   BLOB NOT NULL DEFAULT x'',
	UNIQUE (entry_prefix, entry_seq, collection)
) STRICT;
CREATE INDEX pair_listing ON pair (collection) WHERE live = 1;
CREATE INDEX pair_name ON pair (collection, name) WHERE live = 1;
CREATE INDEX pair_content ON pair (content) WHERE live = 1 AND content <> x'';

-- Device-owned: watched directories. deleted = 1 takes every entry of the prefix with it: those rows go by and by.
CREATE TABLE location (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	device   INTEGER NOT NULL REFERENCES device (id),
	prefix   INTEGER NOT NULL UNIQUE,  -- first 8 bytes of the uuids of its entries
	name     TEXT NOT NULL,            -- '' for a stub: entries came before their location
	path     TEXT NOT NULL,            -- on its device
	exclude  TEXT NOT NULL DEFAULT '', -- ignore patterns, one in a line
	root     INTEGER NOT NULL DEFAULT 0, -- entry.id of the root directory
	volume   INTEGER NOT NULL DEFAULT 0, -- volume.number of the same device: the disk that it lies on; 0: not known
	next_seq INTEGER NOT NULL DEFAULT 0, -- the owner's counter for entry.seq
	deleted  INTEGER NOT NULL DEFAULT 0,
	version  INTEGER NOT NULL DEFAULT 0,
	digest   INTEGER NOT NULL DEFAULT 0 -- sum over its live entries: two devices compare what they hold
) STRICT;

-- Device-owned: files, directories, symlinks, special files. deleted = 1 is a tombstone.
CREATE TABLE entry (
	id       INTEGER PRIMARY KEY AUTOINCREMENT, -- the inode number in the mount: never reused
	location INTEGER NOT NULL,         -- location.id
	seq      INTEGER NOT NULL,         -- second half of the uuid
	parent   INTEGER NOT NULL,         -- entry.id; 0 for the root of a location
	name     TEXT NOT NULL,            -- any bytes that Linux allows; '' for a root or a stub
	mode     INTEGER NOT NULL,         -- type and permissions, as in stat(2)
	size     INTEGER NOT NULL,
	mtime_ns INTEGER NOT NULL,
	content  BLOB,                     -- BLAKE2b-128 over size and bytes or samples; NULL: not known yet
	deleted  INTEGER NOT NULL DEFAULT 0,
	version  INTEGER NOT NULL          -- in the owner's entry stream, grows with each change; 0: a stub, or doubtful; -1: about to go
) STRICT;
CREATE UNIQUE INDEX entry_seq ON entry (location, seq);
CREATE INDEX entry_place ON entry (parent, name) WHERE deleted = 0;
CREATE INDEX entry_listing ON entry (parent) WHERE deleted = 0; -- ends in the id: offsets of listings
CREATE INDEX entry_content ON entry (content) WHERE content IS NOT NULL AND deleted = 0;
CREATE INDEX entry_version ON entry (location, version); -- what other devices are told, in this order
CREATE INDEX entry_tombstone ON entry (location, version) WHERE deleted = 1; -- what is purged

-- Device-owned: what was done to locations and devices, and repairs. The last 10,000.
CREATE TABLE audit (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	device  INTEGER NOT NULL,
	number  INTEGER NOT NULL,          -- of the owner: the same on all devices
	at_ms   INTEGER NOT NULL,
	action  TEXT NOT NULL,
	subject TEXT NOT NULL,
	deleted INTEGER NOT NULL DEFAULT 0,
	version INTEGER NOT NULL,
	UNIQUE (device, number)
) STRICT;
CREATE INDEX audit_version ON audit (device, version);

-- Device-owned: the disks that locations lie on. deleted = 1: no location does any more.
CREATE TABLE volume (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	device     INTEGER NOT NULL,
	number     INTEGER NOT NULL,       -- of the owner: the same on all devices, and for the same disk whenever it comes back
	name       TEXT NOT NULL,          -- its label, or where it is mounted
	filesystem TEXT NOT NULL,          -- 'ext4'
	capacity   INTEGER NOT NULL,       -- bytes
	deleted    INTEGER NOT NULL DEFAULT 0,
	version    INTEGER NOT NULL,
	UNIQUE (device, number)
) STRICT;

-- Who wrote something, in which life of its database.
CREATE TABLE origin (
	id      INTEGER PRIMARY KEY,
	device   BLOB NOT NULL,              -- uuid
	epoch    INTEGER NOT NULL,           -- random
	started  INTEGER NOT NULL,           -- HLC of its first moment: epochs of a device are ordered by it
	cut      INTEGER NOT NULL DEFAULT 0, -- number of the last record that is applied here and no longer in the log
	cut_hlc  INTEGER NOT NULL DEFAULT 0, -- its HLC
	cut_hash BLOB NOT NULL DEFAULT x'',  -- running hash at it, 32 bytes; x'' at 0
	cut_digest INTEGER NOT NULL DEFAULT 0, -- log.digest at it
	UNIQUE (device, epoch)
) STRICT;

-- Shared changes that are not yet known to be on every member: of each origin those after its cut, without holes. The
-- last one is this device's position in the origin's shared stream.
CREATE TABLE log (
	origin INTEGER NOT NULL REFERENCES origin (id),
	seq    INTEGER NOT NULL,
	hlc    INTEGER NOT NULL,
	digest INTEGER NOT NULL,           -- what this origin's records up to this one added to the digest of all shared rows:
	                                   -- that is the sum of the last of each origin, and of library.digest
	hash   BLOB NOT NULL,              -- running hash at this record, 32 bytes
	record BLOB NOT NULL,              -- msgpack: [hlc, [[kind, key, {field: value}], ...]]
	PRIMARY KEY (origin, seq)
) STRICT, WITHOUT ROWID;

-- How far this device has come in the state streams of each origin: one for each kind of device-owned rows.
CREATE TABLE stream (
	origin   INTEGER NOT NULL REFERENCES origin (id),
	kind     INTEGER NOT NULL,
	position INTEGER NOT NULL DEFAULT 0, -- the owner's version
	floor    INTEGER NOT NULL DEFAULT 0, -- tombstones up to here were purged
	head     INTEGER NOT NULL DEFAULT 0, -- of others' streams: the owner's highest position that was heard of
	base     INTEGER NOT NULL DEFAULT 0, -- of others': the last position at which all rows were here
	listing  INTEGER NOT NULL DEFAULT 0, -- of others': a full list is being received
	digest   INTEGER NOT NULL DEFAULT 0, -- sum over the live rows; of entries each location has its own
	PRIMARY KEY (origin, kind)
) STRICT, WITHOUT ROWID;

-- How far this device has come in the shared stream of each origin.
CREATE VIEW shared_stream AS
	SELECT o.id AS origin, o.device, o.epoch, coalesce(l.seq, o.cut) AS position, coalesce(l.hlc, o.cut_hlc) AS hlc,
	       coalesce(l.hash, o.cut_hash) AS hash, coalesce(l.digest, o.cut_digest) AS digest, o.cut, o.started
	  FROM origin o
	  LEFT JOIN log l ON l.origin = o.id AND l.seq = (SELECT max(seq) FROM log WHERE origin = o.id);

-- ============================================================================================================
-- Part 2: what can be rebuilt, from part 1 or by a scan of this device's own disks
-- ============================================================================================================

-- What this device saw of the root of each of its locations.
CREATE TABLE local_location (
	location   INTEGER PRIMARY KEY,
	fsid       INTEGER NOT NULL,
	ino        INTEGER NOT NULL,
	btime_ns   INTEGER NOT NULL,
	state      INTEGER NOT NULL,       -- 0 not scanned yet, 1 ready, 2 offline
	scanned_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Inode and birth time of this device's entries, tombstones included: a file is known again by them after a rename.
CREATE TABLE local_entry (
	entry    INTEGER PRIMARY KEY,
	ino      INTEGER NOT NULL,
	btime_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX local_entry_ino ON local_entry (ino);

-- For people: every file with its path, and what is tagged.
CREATE VIEW files AS
	WITH RECURSIVE tree (id, path) AS (
		SELECT l.root, '/' || d.name || '/' || l.name
		  FROM location l JOIN device d ON d.id = l.device WHERE l.deleted = 0 AND d.member = 1
		UNION ALL
		SELECT e.id, t.path || '/' || e.name FROM tree t JOIN entry e ON e.parent = t.id AND e.deleted = 0
	)
	SELECT e.id, t.path, e.size, datetime(e.mtime_ns / 1000000000, 'unixepoch') AS modified,
	       lower(hex(e.content)) AS content
	  FROM tree t JOIN entry e ON e.id = t.id;

CREATE VIEW tagged AS
	SELECT CASE c.kind WHEN 1 THEN 'tag' WHEN 2 THEN 'album' ELSE 'favorite' END AS kind,
	       c.name AS tag, p.name AS link, e.id AS file, e.size
	  FROM pair p JOIN collection c ON c.id = p.collection
	  LEFT JOIN location l ON l.prefix = p.entry_prefix
	  LEFT JOIN entry e ON e.location = l.id AND e.seq = p.entry_seq
	 WHERE p.live = 1;
