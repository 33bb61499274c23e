package history

import "github.com/tidemark/tidemark/internal/outbox"

// schema is the migrations of a history, in order; a released one never changes.
//
// A sample's key is (series, t): a volume has one reading a second, and writing it again replaces it. Days are kept beside
// the samples because they outlive them. Attributes are few and repeat, so they stand once. Totals are for days as for
// samples the raw numbers: what can be used of them is for the planner to say.
var schema = []string{seriesSchema, outbox.Schema}

const seriesSchema = `
CREATE TABLE series (
	id   INTEGER PRIMARY KEY,
	host TEXT NOT NULL,
	path BLOB NOT NULL,
	UNIQUE (host, path)
);
CREATE TABLE attributes (
	id     INTEGER PRIMARY KEY,
	device TEXT NOT NULL,
	fstype TEXT NOT NULL,
	mode   TEXT NOT NULL,
	label  TEXT NOT NULL,
	tags   TEXT NOT NULL, -- JSON object, keys sorted
	UNIQUE (device, fstype, mode, label, tags)
);
CREATE TABLE sample (
	series       INTEGER NOT NULL REFERENCES series(id),
	t            INTEGER NOT NULL, -- Unix seconds
	attributes   INTEGER NOT NULL REFERENCES attributes(id),
	total        INTEGER NOT NULL,
	free         INTEGER NOT NULL,
	used         INTEGER NOT NULL,
	inodes_total INTEGER NOT NULL,
	inodes_free  INTEGER NOT NULL,
	inodes_used  INTEGER NOT NULL,
	PRIMARY KEY (series, t)
) WITHOUT ROWID;
CREATE TABLE day (
	series       INTEGER NOT NULL REFERENCES series(id),
	start        INTEGER NOT NULL, -- Unix seconds, 00:00 UTC
	total        INTEGER NOT NULL,
	free         INTEGER NOT NULL,
	used         INTEGER NOT NULL,
	inodes_total INTEGER NOT NULL,
	inodes_free  INTEGER NOT NULL,
	inodes_used  INTEGER NOT NULL,
	PRIMARY KEY (series, start)
) WITHOUT ROWID;
CREATE TABLE newest ( -- the newest reading of each series: it outlives the raw samples
	series       INTEGER PRIMARY KEY REFERENCES series(id),
	t            INTEGER NOT NULL,
	attributes   INTEGER NOT NULL REFERENCES attributes(id),
	total        INTEGER NOT NULL,
	free         INTEGER NOT NULL,
	used         INTEGER NOT NULL,
	inodes_total INTEGER NOT NULL,
	inodes_free  INTEGER NOT NULL,
	inodes_used  INTEGER NOT NULL
);
CREATE TABLE state ( -- the newest state of each series
	series     INTEGER PRIMARY KEY REFERENCES series(id),
	t          INTEGER NOT NULL,
	attributes INTEGER NOT NULL REFERENCES attributes(id),
	reserved   INTEGER NOT NULL,
	stuck      INTEGER NOT NULL,
	missing    INTEGER NOT NULL
);
`
