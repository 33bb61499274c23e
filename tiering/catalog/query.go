package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Query chooses objects; each field that is set narrows the choice.
type Query struct {
	Archive    string
	Host       string
	Prefix     string  // a directory: everything below it
	Glob       string  // over absolute paths; ** crosses directories
	States     []State // none: archived and released
	Superseded bool    // older versions too
	Bad        bool    // only what is known to be bad
}

// objectPage bounds how many objects are in memory, and how long a writer waits for a reader.
const objectPage = 500

// Objects yields the objects of a query in the order of host and path, those of one path by archive (the one that was used first) and
// version. They stream: what changes meanwhile behind
// the place where the reading is is seen. The catalog may be used, and changed, within the loop.
func (c *Catalog) Objects(ctx context.Context, q Query) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := c.eachObject(ctx, q, func(o Object) bool { return yield(o, nil) }); err != nil {
			yield(Object{}, fmt.Errorf("list the catalog: %w", err))
		}
	}
}

func (c *Catalog) eachObject(ctx context.Context, q Query, yield func(Object) bool) error {
	paths, err := newPathRange(q.Prefix, q.Glob)
	if err != nil {
		return err
	}
	condition, err := q.condition()
	if err != nil {
		return err
	}
	hosts, err := c.hosts(ctx, q.Host)
	if err != nil {
		return err
	}
	for _, host := range hosts {
		if more, err := c.eachOfHost(ctx, host, paths, condition, yield); err != nil || !more {
			return err
		}
	}
	return nil
}

// condition is what beside the path narrows the choice, for a WHERE.
func (q Query) condition() (condition, error) {
	var c condition
	chosen := q.States
	if len(chosen) == 0 {
		chosen = []State{Archived, Released}
	}
	var codes []string
	for _, s := range chosen {
		code, err := packState(s)
		if err != nil {
			return c, err
		}
		codes = append(codes, strconv.Itoa(code))
	}
	if q.Superseded {
		codes = append(codes, "3")
	}
	// The plus keeps the index by path, which the order needs.
	c.text = " AND +state IN (" + strings.Join(codes, ", ") + ")"
	if q.Archive != "" {
		c.text, c.args = c.text+" AND archive = "+nameID, append(c.args, q.Archive)
	}
	if q.Bad {
		c.text += " AND +bad IS NOT NULL"
	}
	return c, nil
}

type condition struct {
	text string
	args []any
}

// nameRef is a name and its id.
type nameRef struct {
	id   int64
	text string
}

// hosts are the hosts that have objects, sorted; only one if it is given.
func (c *Catalog) hosts(ctx context.Context, only string) ([]nameRef, error) {
	var hosts []nameRef
	err := c.query(ctx, `SELECT id, text FROM name WHERE (?1 = '' OR text = ?1) AND EXISTS (SELECT 1 FROM object WHERE host = name.id)`,
		[]any{only}, func(rows *sql.Rows) error {
			var h nameRef
			err := rows.Scan(&h.id, &h.text)
			hosts = append(hosts, h)
			return err
		})
	slices.SortFunc(hosts, func(a, b nameRef) int { return strings.Compare(a.text, b.text) })
	return hosts, err
}

func (c *Catalog) eachOfHost(ctx context.Context, host nameRef, paths pathRange, cond condition, yield func(Object) bool) (more bool, err error) {
	where, args := "WHERE host = ? AND path >= ?", []any{host.id, []byte(paths.low)}
	if paths.high != "" {
		where, args = where+" AND path < ?", append(args, []byte(paths.high))
	}
	order := " ORDER BY path, archive, version LIMIT " + strconv.Itoa(objectPage)
	query, queryArgs := where+cond.text+order, append(slices.Clone(args), cond.args...)
	for {
		page, err := c.objects(ctx, query, queryArgs...)
		if err != nil {
			return false, err
		}
		for _, o := range page {
			if paths.match(o.Path) && !yield(o) {
				return false, nil
			}
		}
		if len(page) < objectPage {
			return true, nil
		}
		last := &page[len(page)-1]
		args[1] = []byte(last.Path)
		query = where + " AND (path, archive, version) > (?, " + nameID + ", ?)" + cond.text + order
		queryArgs = append(append(slices.Clone(args), []byte(last.Path), last.Archive, last.Version), cond.args...)
	}
}
