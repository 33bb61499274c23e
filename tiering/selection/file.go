package selection

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"unicode/utf8"
)

const planVersion = 1

// maxLine bounds a line of a plan file.
const maxLine = 1 << 20

// trailer is the last line of a plan file.
type trailer struct {
	Files    int    `json:"files"`
	Checksum string `json:"checksum"` // sha256:HEX of all lines before
}

// wire is an Item in a plan file.
type wire struct {
	plainItem
	PathB64 string `json:"path_b64,omitempty"`
}

type plainItem Item

// MarshalJSON writes a path that is not UTF-8 also as path_b64, which counts then.
func (i Item) MarshalJSON() ([]byte, error) {
	w := wire{plainItem: plainItem(i)}
	if !utf8.ValidString(i.Path) {
		w.Path, w.PathB64 = readable(i.Path), base64.StdEncoding.EncodeToString([]byte(i.Path))
	}
	return json.Marshal(w)
}

func readable(path string) string { return string([]rune(path)) }

// UnmarshalJSON reads what MarshalJSON wrote, and nothing else.
func (i *Item) UnmarshalJSON(data []byte) error {
	var w wire
	if err := strict(data, &w); err != nil {
		return err
	}
	if w.PathB64 != "" {
		raw, err := base64.StdEncoding.Strict().DecodeString(w.PathB64)
		if err != nil || utf8.Valid(raw) || readable(string(raw)) != w.Path {
			return fmt.Errorf("path_b64 of %q is not its path", w.Path)
		}
		w.Path = string(raw)
	}
	*i = Item(w.plainItem)
	return nil
}

// Write writes a plan as JSON lines: the header, a line for each file, and a trailer by which a file that was cut off or edited is known.
func (p *Plan) Write(to io.Writer) error {
	sum := sha256.New()
	out := bufio.NewWriter(to)
	encode := json.NewEncoder(io.MultiWriter(out, sum))
	encode.SetEscapeHTML(false)
	if err := encode.Encode(p); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	for i := range p.Files {
		if err := encode.Encode(p.Files[i]); err != nil {
			return fmt.Errorf("write plan: %w", err)
		}
	}
	if err := encode.Encode(trailer{len(p.Files), checksum(sum)}); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	return nil
}

func checksum(sum hash.Hash) string { return "sha256:" + hex.EncodeToString(sum.Sum(nil)) }

// Read reads a plan that Write wrote. Whatever was cut off, added or edited is an error.
func Read(from io.Reader) (*Plan, error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	lines.Split(wholeLines)
	if !lines.Scan() {
		return nil, fmt.Errorf("plan: %w", orElse(lines.Err(), "the file is empty"))
	}
	sum := sha256.New()
	p := &Plan{}
	if err := strict(lines.Bytes(), p); err != nil {
		return nil, fmt.Errorf("plan line 1: %w", err)
	}
	if p.Version != planVersion {
		return nil, fmt.Errorf("plan line 1: version %d is not one that this program reads (%d)", p.Version, planVersion)
	}
	sum.Write(lines.Bytes())
	for n := 2; lines.Scan(); n++ {
		if bytes.HasPrefix(lines.Bytes(), []byte(`{"files":`)) {
			if err := p.end(lines, checksum(sum)); err != nil {
				return nil, fmt.Errorf("plan line %d: %w", n, err)
			}
			return p, nil
		}
		var item Item
		err := strict(lines.Bytes(), &item)
		if err == nil {
			err = item.check(len(p.Files) + 1)
		}
		if err != nil {
			return nil, fmt.Errorf("plan line %d: %w", n, err)
		}
		sum.Write(lines.Bytes())
		p.Files = append(p.Files, item)
	}
	return nil, fmt.Errorf("plan: %w", orElse(lines.Err(), "the file was cut off: make the plan once more"))
}

// end checks the trailer, and that nothing follows it.
func (p *Plan) end(lines *bufio.Scanner, sum string) error {
	var t trailer
	if err := strict(lines.Bytes(), &t); err != nil {
		return err
	}
	if t.Files != len(p.Files) || t.Checksum != sum {
		return errors.New("the plan was edited, or damaged: make it once more")
	}
	if lines.Scan() {
		return errors.New("something follows the end of the plan")
	}
	return lines.Err()
}

func (i Item) check(rank int) error {
	switch {
	case i.Rank != rank:
		return fmt.Errorf("rank %d, expected %d", i.Rank, rank)
	case !strings.HasPrefix(i.Path, "/") || strings.Contains(i.Path, "\x00"):
		return fmt.Errorf("%q is no absolute path", i.Path)
	case i.Size < 0 || i.Allocated < 0:
		return errors.New("a size is negative")
	}
	return nil
}

// strict reads one JSON value, which must have no unknown field and nothing behind it.
func strict(data []byte, into any) error {
	decode := json.NewDecoder(bytes.NewReader(data))
	decode.DisallowUnknownFields()
	if err := decode.Decode(into); err != nil {
		return err
	}
	if _, err := decode.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value in a line")
	}
	return nil
}

// wholeLines splits after line feeds, which stay; what has none at its end was cut off.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		return end + 1, data[:end+1], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, errors.New("the last line was cut off: make the plan once more")
	}
	return 0, nil, nil
}

func orElse(err error, message string) error {
	if err != nil {
		return err
	}
	return errors.New(message)
}
