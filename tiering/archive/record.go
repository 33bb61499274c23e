package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"
	"unicode/utf8"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// Kind is what a record of the manifest says.
type Kind string

const (
	KindArchive   Kind = "archive"   // an object was published
	KindRelease   Kind = "release"   // the file at home is given up
	KindRestore   Kind = "restore"   // a release was undone, under its own operation id
	KindRecall    Kind = "recall"    // the file is at home again
	KindMend      Kind = "mend"      // an object was published in place of a bad one, whose state it takes over
	KindDispose   Kind = "dispose"   // an object is gone for good
	KindHold      Kind = "hold"      // nothing that matches Glob may be moved, released or deleted
	KindUnhold    Kind = "unhold"    // that hold is over; without a Glob every hold of that Case
	KindDirectory Kind = "directory" // what a directory is like at home
)

// Record is one line of a manifest. (Op, Kind) names it: appended twice it counts once. Records of directories, and of holds,
// may have no operation.
type Record struct {
	Op         int64            `json:"op,omitempty"`
	Kind       Kind             `json:"kind"`
	Time       time.Time        `json:"time"`
	Host       string           `json:"host"`
	Path       string           `json:"path,omitempty"`   // absolute, at home; any bytes
	Object     string           `json:"object,omitempty"` // relative to the archive's directory
	Version    int              `json:"version,omitempty"`
	Replaces   string           `json:"replaces,omitempty"` // mend: the bad object
	Size       int64            `json:"size,omitempty"`
	Allocated  int64            `json:"allocated,omitempty"`
	Digest     string           `json:"digest,omitempty"`
	Attributes *fsys.Attributes `json:"attributes,omitempty"` // the true ones, at home
	// The file at home that the object equals: archive, recall, mend.
	Dev    uint64        `json:"dev,omitempty"`
	Ino    uint64        `json:"ino,omitempty"`
	Mtime  fsys.Time     `json:"mtime,omitzero"`
	Ctime  fsys.Time     `json:"ctime,omitzero"`
	Policy string        `json:"policy,omitempty"`
	Run    int64         `json:"run,omitempty"`
	Leave  catalog.Leave `json:"leave,omitempty"`
	Volume string        `json:"volume,omitempty"`
	Case   string        `json:"case,omitempty"`
	Glob   string        `json:"glob,omitempty"`
	By     string        `json:"by,omitempty"`
	Reason string        `json:"reason,omitempty"`
}

// Of is the record of an operation as far as it has come.
func Of(kind Kind, op *catalog.Operation, now time.Time) Record {
	r := Record{
		Op: op.ID, Kind: kind, Time: now, Host: op.Host, Path: op.Path, Object: op.Object, Version: op.Version, Size: op.Size,
		Allocated: op.Allocated, Digest: op.Digest, Dev: op.Dev, Ino: op.Ino, Mtime: op.Mtime, Ctime: op.Ctime, Policy: op.Policy,
		Run: op.Run, Leave: op.Leave, Volume: op.Volume,
	}
	if kind == KindArchive || kind == KindMend {
		attributes := op.Attributes
		r.Attributes = &attributes
	}
	return r
}

// line is a record as it is written: what is not UTF-8 is given again in base64, which counts.
type line struct {
	Record
	PathB64     []byte           `json:"path_b64,omitempty"`
	ObjectB64   []byte           `json:"object_b64,omitempty"`
	ReplacesB64 []byte           `json:"replaces_b64,omitempty"`
	GlobB64     []byte           `json:"glob_b64,omitempty"`
	CaseB64     []byte           `json:"case_b64,omitempty"`
	VolumeB64   []byte           `json:"volume_b64,omitempty"`
	Xattrs      []namedAttribute `json:"xattrs_b64,omitempty"`
}

// namedAttribute is an xattr whose name is not UTF-8.
type namedAttribute struct {
	Name  []byte `json:"name"`
	Value []byte `json:"value"`
}

// odd pairs the strings that may be any bytes with their place in base64.
func (l *line) odd() []struct {
	text *string
	b64  *[]byte
} {
	return []struct {
		text *string
		b64  *[]byte
	}{
		{&l.Path, &l.PathB64},
		{&l.Object, &l.ObjectB64},
		{&l.Replaces, &l.ReplacesB64},
		{&l.Glob, &l.GlobB64},
		{&l.Case, &l.CaseB64},
		{&l.Volume, &l.VolumeB64},
	}
}

// A line ends with its checksum: ,"sum":"S"} where S is the first 16 hexadecimal digits of the SHA-256 of what stands before.
const (
	sumBefore = `,"sum":"`
	sumDigits = 16
	sumAfter  = `"}`
	// mostLine bounds a line, in bytes: extended attributes may be large.
	mostLine = 16 << 20
)

func checksum(text []byte) []byte {
	sum := sha256.Sum256(text)
	return hex.AppendEncode(nil, sum[:sumDigits/2])
}

// appendLine appends a record as a line, newline included.
func appendLine(b []byte, r Record) ([]byte, error) {
	l := line{Record: r}
	for _, o := range l.odd() {
		if !utf8.ValidString(*o.text) {
			*o.b64 = []byte(*o.text)
		}
	}
	if r.Attributes != nil {
		attributes := *r.Attributes
		attributes.Xattrs = maps.Clone(attributes.Xattrs)
		for name, value := range r.Attributes.Xattrs {
			if !utf8.ValidString(name) {
				l.Xattrs = append(l.Xattrs, namedAttribute{[]byte(name), value})
				delete(attributes.Xattrs, name)
			}
		}
		l.Attributes = &attributes
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // paths are to be found with grep
	if err := encoder.Encode(l); err != nil {
		return b, err
	}
	body := bytes.TrimSuffix(text.Bytes(), []byte("}\n"))
	if len(body) > mostLine-100 {
		return b, fmt.Errorf("the record of %q would take %d bytes: its extended attributes are too large", r.Path, len(body))
	}
	b = append(b, body...)
	b = append(b, sumBefore...)
	b = append(b, checksum(body)...)
	return append(b, sumAfter+"\n"...), nil
}

var (
	errCut  = errors.New("it was cut off")
	errSum  = errors.New("its checksum differs")
	errText = errors.New("its checksum is right but it can't be read")
)

// parseLine reads a line, without its newline.
func parseLine(text []byte) (Record, error) {
	end := len(text) - len(sumAfter) - sumDigits
	start := end - len(sumBefore)
	if start < 0 || string(text[start:end]) != sumBefore || string(text[end+sumDigits:]) != sumAfter {
		return Record{}, errCut
	}
	if !bytes.Equal(text[end:end+sumDigits], checksum(text[:start])) {
		return Record{}, errSum
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return Record{}, fmt.Errorf("%w: %w", errText, err)
	}
	for _, o := range l.odd() {
		if *o.b64 != nil {
			*o.text = string(*o.b64)
		}
	}
	if len(l.Xattrs) > 0 && l.Attributes != nil && l.Attributes.Xattrs == nil {
		l.Attributes.Xattrs = map[string][]byte{}
	}
	for _, x := range l.Xattrs {
		if l.Attributes != nil {
			l.Attributes.Xattrs[string(x.Name)] = x.Value
		}
	}
	return l.Record, nil
}
