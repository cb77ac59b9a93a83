-- sync.db: what this device knows about its peers and about itself. Deleting it loses no change.

CREATE TABLE event (
	id    INTEGER PRIMARY KEY AUTOINCREMENT,
	at_ms INTEGER NOT NULL,
	level TEXT NOT NULL, -- info, warning, error
	text  TEXT NOT NULL
) STRICT;
