// Package report renders what the tiering engine did, would do or knows: text for people, JSON and CSV for programs. Lists are
// written as they come, so that an archive of millions of files needs no memory.
package report

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"github.com/tidemark/tidemark/internal/table"
)

// when is a time that JSON shows in RFC 3339 UTC, or as null where there is none.
type when time.Time

func (t when) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(rfc3339(time.Time(t)))
}

func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Second).Format(time.RFC3339)
}

// minute is a time for people; "-" where there is none.
func minute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// Bytes is an amount for people, such as "1.2 TiB".
func Bytes(n int64) string {
	if n < 0 {
		return "-" + humanize.IBytes(uint64(-n))
	}
	return humanize.IBytes(uint64(n))
}

// Count is a number with its noun: "1 file", "2 files".
func Count(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// b64 is a path again where it is not UTF-8, which JSON can't carry.
func b64(path string) string {
	if utf8.ValidString(path) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(path))
}

// compact is v as JSON without a line end. Paths are to be found with grep, so <, > and & stay.
func compact(v any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// writeJSON writes one value on one line.
func writeJSON(w io.Writer, v any) error {
	text, err := compact(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// listJSON writes an object whose last member is a list, an element at a time.
type listJSON struct {
	w    io.Writer
	head string // up to the list
	n    int
}

// newListJSON begins with the members of head, which may be nil, and the list's key.
func newListJSON(w io.Writer, head any, key string) (*listJSON, error) {
	l := &listJSON{w: w, head: "{"}
	if head != nil {
		text, err := compact(head)
		if err != nil {
			return nil, err
		}
		l.head = string(bytes.TrimSuffix(text, []byte("}"))) + ","
	}
	l.head += fmt.Sprintf("%q:[", key)
	return l, nil
}

func (l *listJSON) add(v any) error {
	text, err := compact(v)
	if err != nil {
		return err
	}
	before := ",\n"
	if l.n == 0 {
		before = l.head + "\n"
	}
	l.n++
	_, err = fmt.Fprintf(l.w, "%s%s", before, text)
	return err
}

func (l *listJSON) close() error {
	end := "\n]}\n"
	if l.n == 0 {
		end = l.head + "]}\n"
	}
	_, err := io.WriteString(l.w, end)
	return err
}

// newCSV begins with a header.
func newCSV(w io.Writer, header ...string) (*csv.Writer, error) {
	c := csv.NewWriter(w)
	return c, c.Write(header)
}

func closeCSV(c *csv.Writer) error {
	c.Flush()
	return c.Error()
}

// lines writes text for people; the first error stays.
type lines struct {
	w   io.Writer
	err error
}

func (l *lines) printf(format string, args ...any) {
	if l.err == nil {
		_, l.err = fmt.Fprintf(l.w, format+"\n", args...)
	}
}

// printable is a name that is safe to show.
func printable(name string) string { return table.Printable(name) }
