package mover_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/mover"
)

// errCatalog is how a catalog fails.
var errCatalog = errors.New("the catalog fails")

// change is a commit as it was asked for: made again on another catalog it makes that the same.
type change func(*catalog.Catalog) error

// book is a real catalog that remembers its commits, so that there can be a second one as it was at any moment, and whose calls can
// be counted and made to fail. What was committed stays, whatever happens to filesystems.
type book struct {
	*catalog.Catalog
	log   []change
	calls []string
	// fail is the number of the call, from 1, that fails: with happens its answer alone is lost.
	fail    int
	happens bool
	hit     int
	after   func(op string) // called after each call
}

var _ mover.Catalog = (*book)(nil)

func newBook(t testing.TB, log []change) *book {
	t.Helper()
	c, err := catalog.OpenInMemory(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range log {
		if err := change(c); err != nil {
			t.Fatalf("make a second catalog: %v", err)
		}
	}
	return &book{Catalog: c, log: log[:len(log):len(log)]}
}

// do is one call. again is its change; nil: it only reads.
func (b *book) do(op string, call func() error, again change) error {
	b.calls = append(b.calls, op)
	failing := b.fail == len(b.calls)
	if failing {
		b.hit++
	}
	if failing && !b.happens {
		return errCatalog
	}
	err := call()
	if err == nil && again != nil {
		b.log = append(b.log, again)
	}
	if b.after != nil {
		b.after(op)
	}
	if failing {
		return errCatalog
	}
	return err
}

// copies are operations as they are now.
func copies(ops []*catalog.Operation) func() []*catalog.Operation {
	frozen := make([]catalog.Operation, len(ops))
	for i, op := range ops {
		frozen[i] = *op
		frozen[i].Attributes.Xattrs = maps.Clone(op.Attributes.Xattrs)
	}
	return func() []*catalog.Operation {
		fresh := make([]*catalog.Operation, len(frozen))
		for i := range frozen {
			op := frozen[i]
			fresh[i] = &op
		}
		return fresh
	}
}

func (b *book) Begin(ctx context.Context, ops []*catalog.Operation) error {
	frozen := copies(ops)
	call := func() error { return b.Catalog.Begin(ctx, ops) }
	if b.fail == len(b.calls)+1 { // a caller that got an error got no ids
		call = func() error { return b.Catalog.Begin(ctx, frozen()) }
	}
	return b.do("Begin", call, func(c *catalog.Catalog) error { return c.Begin(context.Background(), frozen()) })
}

func (b *book) Advance(ctx context.Context, ops []*catalog.Operation) error {
	frozen := copies(ops)
	return b.do("Advance", func() error { return b.Catalog.Advance(ctx, ops) },
		func(c *catalog.Catalog) error { return c.Advance(context.Background(), frozen()) })
}

func (b *book) Drop(ctx context.Context, ops []*catalog.Operation) error {
	frozen := copies(ops)
	return b.do("Drop", func() error { return b.Catalog.Drop(ctx, ops) },
		func(c *catalog.Catalog) error { return c.Drop(context.Background(), frozen()) })
}

func (b *book) Pending(ctx context.Context) (ops []catalog.Operation, err error) {
	err = b.do("Pending", func() (err error) { ops, err = b.Catalog.Pending(ctx); return err }, nil)
	return ops, err
}

func (b *book) NextVersion(ctx context.Context, archive, host, path string) (n int, err error) {
	err = b.do("NextVersion", func() (err error) { n, err = b.Catalog.NextVersion(ctx, archive, host, path); return err }, nil)
	return n, err
}

func (b *book) ObjectByID(ctx context.Context, id int64) (o catalog.Object, ok bool, err error) {
	err = b.do("ObjectByID", func() (err error) { o, ok, err = b.Catalog.ObjectByID(ctx, id); return err }, nil)
	return o, ok, err
}

func (b *book) CommitArchived(ctx context.Context, who catalog.Actor, now time.Time, ops []*catalog.Operation, reasons []string) (objects []catalog.Object, err error) {
	frozen := copies(ops)
	err = b.do("CommitArchived", func() (err error) {
		objects, err = b.Catalog.CommitArchived(ctx, who, now, ops, reasons)
		return err
	}, func(c *catalog.Catalog) error {
		_, err := c.CommitArchived(context.Background(), who, now, frozen(), reasons)
		return err
	})
	return objects, err
}

func (b *book) CommitReleased(ctx context.Context, who catalog.Actor, now time.Time, ops []*catalog.Operation, reasons []string) error {
	frozen := copies(ops)
	call := func() error { return b.Catalog.CommitReleased(ctx, who, now, ops, reasons) }
	if b.fail == len(b.calls)+1 { // a caller that got an error has the old phase
		call = func() error { return b.Catalog.CommitReleased(ctx, who, now, frozen(), reasons) }
	}
	return b.do("CommitReleased", call,
		func(c *catalog.Catalog) error {
			return c.CommitReleased(context.Background(), who, now, frozen(), reasons)
		})
}

func (b *book) CommitPurged(ctx context.Context, now time.Time, ops []*catalog.Operation) error {
	frozen := copies(ops)
	return b.do("CommitPurged", func() error { return b.Catalog.CommitPurged(ctx, now, ops) },
		func(c *catalog.Catalog) error { return c.CommitPurged(context.Background(), now, frozen()) })
}

func (b *book) CommitRestored(ctx context.Context, who catalog.Actor, now time.Time, op *catalog.Operation, reason string, home fsys.Info) error {
	frozen := copies([]*catalog.Operation{op})
	return b.do("CommitRestored", func() error { return b.Catalog.CommitRestored(ctx, who, now, op, reason, home) },
		func(c *catalog.Catalog) error {
			return c.CommitRestored(context.Background(), who, now, frozen()[0], reason, home)
		})
}

func (b *book) CommitRecalled(ctx context.Context, who catalog.Actor, now time.Time, ops []*catalog.Operation) error {
	frozen := copies(ops)
	return b.do("CommitRecalled", func() error { return b.Catalog.CommitRecalled(ctx, who, now, ops) },
		func(c *catalog.Catalog) error { return c.CommitRecalled(context.Background(), who, now, frozen()) })
}

func (b *book) CommitMended(ctx context.Context, who catalog.Actor, now time.Time, op *catalog.Operation, reason string) (o catalog.Object, err error) {
	frozen := copies([]*catalog.Operation{op})
	err = b.do("CommitMended", func() (err error) { o, err = b.Catalog.CommitMended(ctx, who, now, op, reason); return err },
		func(c *catalog.Catalog) error {
			_, err := c.CommitMended(context.Background(), who, now, frozen()[0], reason)
			return err
		})
	return o, err
}

// MarkBad says that an object is bad.
func (b *book) MarkBad(id int64, why string, now time.Time) error {
	mark := func(c *catalog.Catalog) error {
		return c.MarkChecked(context.Background(), actor, now, nil, map[int64]string{id: why})
	}
	return b.do("MarkChecked", func() error { return mark(b.Catalog) }, mark)
}
