package ledger

// schema is the migrations of a ledger, in order; a released one never changes.
//
// The key holds one outlook a day, and the trigger what is said of it: that a published one is never rewritten. NULL is what was
// not known, or withheld.
var schema = []string{`
CREATE TABLE outlook (
	host       TEXT NOT NULL,
	path       BLOB NOT NULL,
	resource   TEXT NOT NULL, -- space or inodes
	day        INTEGER NOT NULL, -- of made: Unix seconds, 00:00 UTC
	made       INTEGER NOT NULL, -- Unix seconds
	origin     INTEGER NOT NULL, -- Unix seconds
	used       REAL,
	capacity   REAL,
	full_level REAL NOT NULL, -- 0 to 1
	p10_days REAL, p50_days REAL, p90_days REAL,
	prob_7d REAL, prob_30d REAL, prob_90d REAL,
	reason TEXT NOT NULL,
	forecast_7d REAL, lower_7d REAL, upper_7d REAL,
	forecast_30d REAL, lower_30d REAL, upper_30d REAL,
	forecast_90d REAL, lower_90d REAL, upper_90d REAL,
	PRIMARY KEY (host, path, resource, day)
) WITHOUT ROWID;
CREATE TRIGGER outlook_is_never_rewritten BEFORE UPDATE ON outlook
BEGIN
	SELECT RAISE(ABORT, 'a published outlook is never rewritten');
END;
`}
