package history

// schema is the migrations of a history, in order; a released one never changes.
//
// A sample's key is (series, t): a volume has one reading a second, and writing it again replaces it. Days are kept beside
// the samples because they outlive them. Attributes are few and repeat, so they stand once. Totals are for days as for
// samples the raw numbers: what can be used of them is for the planner to say.
var schema = []string{seriesSchema, outboxSchema}

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

// outboxSchema serves any database file that has lines to ship.
const outboxSchema = `
CREATE TABLE outbox (
	seq  INTEGER PRIMARY KEY AUTOINCREMENT,
	t    INTEGER NOT NULL, -- Unix seconds at which it was written
	line TEXT NOT NULL
);
CREATE TABLE quarantine (
	seq    INTEGER PRIMARY KEY,
	t      INTEGER NOT NULL,
	line   TEXT NOT NULL,
	reason TEXT NOT NULL
);
CREATE TABLE outbox_count ( -- one row: what would take a scan to count
	id          INTEGER PRIMARY KEY CHECK (id = 1),
	depth       INTEGER NOT NULL,
	bytes       INTEGER NOT NULL,
	dropped     INTEGER NOT NULL,
	expired     INTEGER NOT NULL,
	quarantined INTEGER NOT NULL
);
INSERT INTO outbox_count VALUES (1, 0, 0, 0, 0, 0);
CREATE TRIGGER outbox_in AFTER INSERT ON outbox BEGIN
	UPDATE outbox_count SET depth = depth + 1, bytes = bytes + octet_length(new.line);
END;
CREATE TRIGGER outbox_out AFTER DELETE ON outbox BEGIN
	UPDATE outbox_count SET depth = depth - 1, bytes = bytes - octet_length(old.line);
END;
`
