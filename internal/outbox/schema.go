package outbox

// Schema is the migration that makes an outbox in a database file. It has been released: it never changes.
const Schema = `
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
