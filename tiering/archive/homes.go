package archive

import (
	"context"
	"errors"

	"github.com/tidemark/tidemark/internal/fsys"
)

// Directory is a directory at home, by its absolute path, that holds files of which the archive has this version.
type Directory struct {
	Path    string
	Version int
}

// HomeDirectories are the attributes of a host's directories at home as they were last seen, for those that a recall has to make
// anew. It reads the whole manifest: ask once.
func (a *Archive) HomeDirectories(ctx context.Context, host string) (map[Directory]fsys.Attributes, error) {
	all := map[Directory]fsys.Attributes{}
	for record, err := range a.Records(ctx, host) {
		var damage *Damage
		if errors.As(err, &damage) {
			continue // rebuild reports it; a directory without a record is made for root alone
		}
		if err != nil {
			return nil, err
		}
		if record.Kind == KindDirectory && record.Attributes != nil {
			all[Directory{record.Path, record.Version}] = *record.Attributes
		}
	}
	return all, nil
}
