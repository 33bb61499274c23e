package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	lib "modernc.org/sqlite/lib"
)

// two is a schema of two migrations: the second needs the first.
var two = []string{
	"CREATE TABLE entry (n INTEGER PRIMARY KEY, text TEXT NOT NULL); INSERT INTO entry VALUES (1, 'first')",
	"ALTER TABLE entry ADD COLUMN more TEXT; INSERT INTO entry VALUES (2, 'second', 'x')",
}

func open(t *testing.T, path string, schema []string) *sql.DB {
	t.Helper()
	db, err := Open(t.Context(), path, schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func count(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM entry").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func pragma(t *testing.T, db *sql.DB, name string) (value string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&value); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return value
}

func TestEachMigrationRunsOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "dir", "test.db")
	db := open(t, path, two[:1])
	if n, v := count(t, db), pragma(t, db, "user_version"); n != 1 || v != "1" {
		t.Fatalf("new: %d entries at version %s", n, v)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO entry VALUES (7, 'mine')"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	for range 2 {
		db = open(t, path, two)
		if n, v := count(t, db), pragma(t, db, "user_version"); n != 3 || v != "2" {
			t.Fatalf("migrated: %d entries at version %s, want 3 at 2", n, v)
		}
		db.Close()
	}
}

func TestMigrationThatFailsChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	open(t, path, two[:1]).Close()
	_, err := Open(t.Context(), path, []string{two[0], "INSERT INTO entry VALUES (3, 'half'); INSERT INTO none VALUES (1)"})
	if err == nil || !strings.Contains(err.Error(), "migrate the schema to version 2") || !strings.Contains(err.Error(), path) || errors.Is(err, ErrCorrupt) {
		t.Errorf("error %v, want one that names the file and the version", err)
	}
	db := open(t, path, two[:1])
	if n, v := count(t, db), pragma(t, db, "user_version"); n != 1 || v != "1" {
		t.Errorf("%d entries at version %s, want what was there before", n, v)
	}
}

func TestSchemaOfAnotherVersionIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	open(t, path, two).Close()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func() (*sql.DB, error){
		"its schema is version 2, this program knows 1": func() (*sql.DB, error) { return Open(t.Context(), path, two[:1]) },
		"its schema is version 2, this program reads 1": func() (*sql.DB, error) { return OpenReadOnly(t.Context(), path, 1) },
		"its schema is version 2, this program reads 3": func() (*sql.DB, error) { return OpenReadOnly(t.Context(), path, 3) },
	} {
		if _, err := try(); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), path) || errors.Is(err, ErrCorrupt) {
			t.Errorf("error %v, want %q", err, name)
		}
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestDurableAtEveryCommit(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "test.db"), two)
	for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "recursive_triggers": "1", "busy_timeout": "10000"} {
		if got := pragma(t, db, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestOptionsOfConnections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	plain := open(t, path, two)
	db, err := Open(t.Context(), path, two, CacheKiB(9000), TempInMemory())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	read, err := OpenReadOnly(t.Context(), path, 2, CacheKiB(8000))
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	for name, one := range map[string]struct {
		db          *sql.DB
		cache, temp string
	}{"plain": {plain, "-2000", "0"}, "with options": {db, "-9000", "2"}, "for reading": {read, "-8000", "0"}} {
		if cache, temp := pragma(t, one.db, "cache_size"), pragma(t, one.db, "temp_store"); cache != one.cache || temp != one.temp {
			t.Errorf("%s: cache_size %s, temp_store %s", name, cache, temp)
		}
	}
}

func TestExplain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db, other := open(t, path, two), open(t, path, two)
	if _, err := db.ExecContext(t.Context(), "PRAGMA max_page_count = 1"); err != nil {
		t.Fatal(err)
	}
	_, full := db.ExecContext(t.Context(), "INSERT INTO entry (text) VALUES (zeroblob(1000000))")
	if err := Explain(full); !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrLocked) {
		t.Errorf("no space: %v", err)
	}
	if _, err := other.ExecContext(t.Context(), "PRAGMA busy_timeout = 0"); err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	_, busy := other.BeginTx(t.Context(), nil)
	if err := Explain(busy); !errors.Is(err, ErrLocked) || errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "10s") {
		t.Errorf("another writes: %v", err)
	}
	plain := errors.New("plain")
	if Explain(nil) != nil || Explain(plain) != plain {
		t.Error("errors of others are changed")
	}
}

func TestNamesOfFilesAreTakenAsTheyAre(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a b.db", "a?mode=ro.db", "a#b.db", "a%41.db", "é日.db", "a&b=c;d.db", "a'b\"c.db", ":memory:", `a\b.db`} {
		path := filepath.Join(dir, name)
		db := open(t, path, two)
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		read, err := OpenReadOnly(t.Context(), path, 2)
		if err != nil {
			t.Errorf("read %q: %v", name, err)
			continue
		}
		if n := count(t, read); n != 2 {
			t.Errorf("read %q: %d entries", name, n)
		}
		read.Close()
		db.Close()
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 9 {
		t.Errorf("%d files, %v; want the nine alone", len(entries), err)
	}
	t.Chdir(dir)
	open(t, "relative.db", two).Close()
	if _, err := os.Stat(filepath.Join(dir, "relative.db")); err != nil {
		t.Error(err)
	}
}

func TestDamagedFilesAreCorrupt(t *testing.T) {
	sound := filepath.Join(t.TempDir(), "test.db")
	db := open(t, sound, two)
	if _, err := db.ExecContext(t.Context(), "WITH RECURSIVE r(n) AS (SELECT 10 UNION ALL SELECT n+1 FROM r LIMIT 3000) INSERT INTO entry SELECT n, hex(randomblob(50)), '' FROM r"); err != nil {
		t.Fatal(err)
	}
	if err := Check(t.Context(), db); err != nil {
		t.Errorf("a sound file: %v", err)
	}
	db.Close()
	content, err := os.ReadFile(sound)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"no database":    func([]byte) []byte { return bytes.Repeat([]byte("not a database\n"), 100) },
		"cut short":      func(b []byte) []byte { return b[:len(b)/2] },
		"pages of zeros": func(b []byte) []byte { clear(b[4096 : 20*4096]); return b },
		"a torn page":    func(b []byte) []byte { copy(b[30*4096:], bytes.Repeat([]byte{0xa5}, 512)); return b },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			if err := os.WriteFile(path, damage(bytes.Clone(content)), 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := Open(t.Context(), path, two)
			if err == nil {
				err = Check(t.Context(), db)
				db.Close()
			}
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("error %v, want ErrCorrupt", err)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "test.db")
	if err := os.WriteFile(path, []byte("not a database, and longer than a header is: "+strings.Repeat("x", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReadOnly(t.Context(), path, 2); !errors.Is(err, ErrCorrupt) {
		t.Errorf("read only: error %v, want ErrCorrupt", err)
	}
}

func TestOpenReadOnlyOfWhatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReadOnly(t.Context(), filepath.Join(dir, "none.db"), 2); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("reading made %v, %v", entries, err)
	}
}

func TestOpenReadOnlyRefusesADirectory(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReadOnly(t.Context(), dir, 1); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("error %v", err)
	}
}

func TestReaderSeesCommitsAndCannotWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db := open(t, path, two)
	read, err := OpenReadOnly(t.Context(), path, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "INSERT INTO entry VALUES (3, 'third', '')"); err != nil {
		t.Fatal(err)
	}
	if n := count(t, read); n != 2 {
		t.Errorf("%d entries before the commit, want 2", n)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, read); n != 3 {
		t.Errorf("%d entries after the commit, want 3", n)
	}
	if _, err := read.ExecContext(t.Context(), "DELETE FROM entry"); err == nil || count(t, db) != 3 {
		t.Errorf("a reader deleted: %v", err)
	}
}

// A transaction that read first and then found that another had written would fail, however long it waited.
func TestTransactionsWaitAtTheirBeginning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db, impatient := open(t, path, two), open(t, path, two)
	if _, err := impatient.ExecContext(t.Context(), "PRAGMA busy_timeout = 0"); err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	const insert = "INSERT INTO entry (text) VALUES ('x')"
	if _, err := impatient.ExecContext(t.Context(), insert); codeOf(err)&0xff != lib.SQLITE_BUSY {
		t.Errorf("while another transaction is open a write gave %v, want that it is busy", err)
	}
	if _, err := tx.ExecContext(t.Context(), insert); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
}

// A process that is about to make a new file's tables holds its lock before the file is in WAL mode; SQLite does not wait for
// that one.
func TestOpenWaitsWhereSQLiteDoesNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	other, err := sql.Open("sqlite", path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, path, two); err == nil || ctx.Err() == nil {
		t.Errorf("Open gave up with %v before its context ended", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, open(t, path, two)); n != 2 {
		t.Errorf("%d entries", n)
	}
}

func TestInMemory(t *testing.T) {
	a, err := OpenInMemory(t.Context(), two)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := OpenInMemory(t.Context(), two[:1])
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if na, nb := count(t, a), count(t, b); na != 2 || nb != 1 {
		t.Errorf("%d and %d entries: each is its own", na, nb)
	}
	if got := pragma(t, a, "foreign_keys"); got != "1" {
		t.Errorf("foreign_keys is %s; what a file refuses must fail in memory too", got)
	}
	if _, err := OpenInMemory(t.Context(), []string{"nonsense"}); err == nil {
		t.Error("a migration that fails is no error")
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	open(t, path, two).Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, path, two); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestSetAsideKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "test.db")
	at := time.Date(2026, 3, 10, 12, 0, 0, 0, time.FixedZone("IST", 19800))
	var names []string
	for i := range 3 {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if i == 1 && suffix != "" {
				continue // a file may have no companions
			}
			if err := os.WriteFile(path+suffix, []byte(fmt.Sprint(i, suffix)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		aside, err := SetAside(path, at)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, filepath.Base(aside))
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if i == 1 && suffix != "" {
				continue
			}
			if got, err := os.ReadFile(aside + suffix); err != nil || string(got) != fmt.Sprint(i, suffix) {
				t.Errorf("%s%s holds %q, %v", aside, suffix, got, err)
			}
			if _, err := os.Stat(path + suffix); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s%s is still there: %v", path, suffix, err)
			}
		}
	}
	if want := []string{"test.db.corrupt-20260310T063000Z", "test.db.corrupt-20260310T063000Z-2", "test.db.corrupt-20260310T063000Z-3"}; !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
	open(t, path, two) // a new one can begin
}
