package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
)

// The names within an archive.
const (
	own       = ".tidemark"
	staging   = "staging"
	manifests = "manifest"
	markerAt  = "archive.json"
	data      = "data"
	versions  = "versions"
	readmeAt  = "README.txt"
)

// version is of the layout, the marker and the manifest together.
const version = 1

// Marker says which archive a directory is. It is .tidemark/archive.json.
type Marker struct {
	Version int       `json:"version"`
	ID      string    `json:"id"`   // a random UUID
	Name    string    `json:"name"` // as in the configuration
	Host    string    `json:"host"` // that initialised it
	Created time.Time `json:"created"`
	Can     Can       `json:"can"`
}

// Can is what the filesystem of an archive was found able to do when it was initialised.
type Can struct {
	NoReplace bool `json:"noreplace"` // a rename that never replaces
	Exchange  bool `json:"exchange"`  // a rename that exchanges
	Link      bool `json:"link"`      // hard links
	Immutable bool `json:"immutable"` // files that even their owner can't write to
	ACL       bool `json:"acl"`       // POSIX ACLs
	Xattrs    bool `json:"xattrs"`    // extended attributes of users
	Flags     bool `json:"flags"`     // what lsattr shows
	Project   bool `json:"project"`   // quota projects
}

// mostMarker bounds what is read of a marker, in bytes.
const mostMarker = 1 << 20

// readMarker reads the marker below an archive's directory, after doing something with the open file; fs.ErrNotExist where there is
// none.
func readMarker(root fsys.Dir, first ...func(fsys.File) error) (Marker, error) {
	dir, err := root.OpenDir(own)
	if err != nil {
		return Marker{}, err
	}
	defer dir.Close()
	file, err := dir.Open(markerAt)
	if err != nil {
		return Marker{}, err
	}
	defer file.Close()
	for _, do := range first {
		if err := do(file); err != nil && !errors.Is(err, fsys.ErrUnsupported) {
			return Marker{}, err
		}
	}
	text, err := io.ReadAll(io.NewSectionReader(file, 0, mostMarker))
	if err != nil {
		return Marker{}, fmt.Errorf("read %s/%s: %w", own, markerAt, err)
	}
	return parseMarker(text)
}

func parseMarker(text []byte) (Marker, error) {
	var m Marker
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("the marker %s/%s is damaged: %w", own, markerAt, err)
	}
	switch {
	case m.Version > version:
		return m, fmt.Errorf("%w (layout %d, this one knows %d): upgrade tidemark", ErrNewer, m.Version, version)
	case m.Version < 1 || m.ID == "" || m.Name == "":
		return m, fmt.Errorf("the marker %s/%s is damaged: %w", own, markerAt, errors.New("no version, id or name"))
	}
	return m, nil
}

// text is the marker as it is written.
func (m Marker) text() []byte {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		panic(err) // a struct of strings and booleans
	}
	return append(text, '\n')
}
