package catalog

// schema is the migrations of a catalog, in order; a released one never changes.
//
// Times are Unix nanoseconds, NULL for never; times of files are seconds and nanoseconds, because filesystems know more years than
// 64 bits of nanoseconds. Device and inode numbers keep their 64 bits, as signed ones. Paths are bytes.
//
// An object's path stands in its row and in one index, which is what a catalog of millions weighs; so its name in the archive, which
// follows from host, path and version, is NULL where it does, what no statement asks for is packed, and names stand once. The second index by
// path holds only what is archived but not released, with all that selection asks for: it is read for each run.
var schema = []string{objectSchema + operationSchema + auditSchema, archiveSchema, movedSchema}

const objectSchema = `
CREATE TABLE name ( -- of archives, hosts, policies, actions
	id   INTEGER PRIMARY KEY,
	text TEXT NOT NULL UNIQUE
);
CREATE TABLE object (
	id          INTEGER PRIMARY KEY,
	host        INTEGER NOT NULL,
	path        BLOB NOT NULL,
	archive     INTEGER NOT NULL,
	version     INTEGER NOT NULL,
	object      BLOB, -- NULL: as host, path and version say
	state       INTEGER NOT NULL, -- 1 archived, 2 released, 3 superseded, 4 disposed
	leave       INTEGER NOT NULL, -- 0 none yet, 1 link, 2 nothing
	size        INTEGER NOT NULL,
	facts       BLOB NOT NULL, -- what never changes: see packFacts
	policy      INTEGER NOT NULL,
	archived_at INTEGER,
	released_at INTEGER,
	recalled_at INTEGER,
	checked_at  INTEGER,
	bad         TEXT, -- NULL: not known to be
	home        BLOB NOT NULL -- the copy at home: see packHome
);
CREATE UNIQUE INDEX object_path ON object (host, path, archive, version);
CREATE UNIQUE INDEX object_named ON object (archive, object) WHERE object IS NOT NULL;
CREATE INDEX object_archived ON object (host, path, size, recalled_at, home) WHERE state = 1;
CREATE INDEX object_checked ON object (archive, checked_at) WHERE state <> 4 AND bad IS NULL;
CREATE INDEX object_bad ON object (archive) WHERE bad IS NOT NULL;
`

const operationSchema = `
CREATE TABLE operation (
	id      INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice
	archive TEXT NOT NULL,
	kind    TEXT NOT NULL,
	phase   TEXT NOT NULL,
	rest    BLOB NOT NULL -- all else: see packOperation
);
INSERT INTO sqlite_sequence (name, seq) VALUES ('operation', 0);
CREATE TABLE hold (
	case_id TEXT NOT NULL,
	glob    BLOB NOT NULL,
	by      TEXT NOT NULL,
	at      INTEGER,
	PRIMARY KEY (case_id, glob)
) WITHOUT ROWID;
CREATE TABLE run (
	id             INTEGER PRIMARY KEY AUTOINCREMENT,
	policy         TEXT NOT NULL,
	started        INTEGER,
	ended          INTEGER,
	interrupted    INTEGER NOT NULL DEFAULT 0,
	triggered      TEXT NOT NULL,
	files_archived INTEGER NOT NULL,
	bytes_archived INTEGER NOT NULL,
	files_released INTEGER NOT NULL,
	bytes_released INTEGER NOT NULL,
	failed         INTEGER NOT NULL,
	skipped        INTEGER NOT NULL,
	insufficient   INTEGER NOT NULL,
	error          TEXT NOT NULL
);
CREATE INDEX run_policy ON run (policy, id);
`

const auditSchema = `
CREATE TABLE actor (
	id      INTEGER PRIMARY KEY,
	user    TEXT NOT NULL,
	command TEXT NOT NULL,
	UNIQUE (user, command)
);
CREATE TABLE audit (
	seq     INTEGER PRIMARY KEY,
	time    INTEGER NOT NULL,
	actor   INTEGER NOT NULL,
	action  INTEGER NOT NULL,
	archive INTEGER NOT NULL,
	path    BLOB NOT NULL,
	reason  TEXT NOT NULL,
	digest  BLOB NOT NULL, -- see packDigest
	hash    BLOB NOT NULL  -- see recordHash
);
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit BEGIN
	SELECT RAISE(FAIL, 'the audit log is never shortened');
END;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN
	SELECT RAISE(FAIL, 'the audit log is never changed');
END;
`

// archiveSchema tells an archive from another one of the same name.
const archiveSchema = `
CREATE TABLE archive (
	name TEXT PRIMARY KEY,
	id   TEXT NOT NULL -- of its marker
) WITHOUT ROWID;
`

// movedSchema sums up what was freed on volumes and brought back to them, for forecasts: a run may take days, and a recall is none.
const movedSchema = `
CREATE TABLE moved (
	host     TEXT NOT NULL,
	volume   BLOB NOT NULL, -- the directory that holds .tidemark
	hour     INTEGER NOT NULL, -- Unix seconds of its beginning
	last     INTEGER NOT NULL, -- when it last happened within that hour
	released INTEGER NOT NULL, -- bytes, as allocated
	recalled INTEGER NOT NULL,
	inodes_released INTEGER NOT NULL, -- of files that were released to nothing: a link takes one too
	inodes_recalled INTEGER NOT NULL,
	PRIMARY KEY (host, volume, hour)
) WITHOUT ROWID;
`
