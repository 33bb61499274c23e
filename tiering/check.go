package tiering

import (
	"context"
	"fmt"

	"github.com/tidemark/tidemark/tiering/archive"
)

// Finding is one thing that a run depends on, and whether it is as it must be.
type Finding struct {
	What string
	Err  error // what would stop a run, often a *Refusal; nil: nothing
}

// Check says what would stop a run of a policy now, as far as that can be seen without touching anything. What depends on something
// that is not there is left out.
func (e *Engine) Check(ctx context.Context, name string) ([]Finding, error) {
	p, err := e.Policy(name)
	if err != nil {
		return nil, err
	}
	v, err := e.ArchiveVolume(p.Archive)
	if err != nil {
		return nil, err
	}
	there := fmt.Sprintf("archive %s is at %s", v.Name, v.Path)
	a, err := archive.Open(e.opt.FS, v.Path, v.Name)
	if err != nil {
		return []Finding{{there, archiveRefusal(v, err)}}, nil
	}
	all := []Finding{
		{there, nil},
		{"the catalog knows all that the archive knows", e.current(ctx, a)},
		{fmt.Sprintf("the archive has room above its min_free of %.4g%%", 100*v.MinFree), hasRoom(a, v)},
	}
	return append(all, e.guards(ctx, p, a)...), a.Close()
}

func hasRoom(a *archive.Archive, v ArchiveVolume) error {
	usage, err := a.Root.StatFS()
	if err != nil {
		return fmt.Errorf("archive %s: %w", v.Name, err)
	}
	if float64(usage.Available) <= v.MinFree*float64(usage.Total) {
		return refuse("enlarge the archive, or lower its min_free", "archive %s is full: %d bytes are free", v.Name, usage.Available)
	}
	return nil
}
