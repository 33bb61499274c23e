package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// CauseCatalog is the Cause of holds that stand here.
const CauseCatalog = "catalog"

// ValidateHold refuses a hold without a case, or with a glob that cannot match.
func ValidateHold(h Hold) error {
	if strings.TrimSpace(h.Case) == "" {
		return errors.New("a hold needs a case")
	}
	if err := validateGlob(h.Glob); err != nil {
		return fmt.Errorf("hold of %s: %w", h.Case, err)
	}
	return nil
}

// AddHold places a hold; false if the case has that glob already. At is its time, By defaults to the actor's user.
func (c *Catalog) AddHold(ctx context.Context, by Actor, h Hold) (bool, error) {
	if err := ValidateHold(h); err != nil {
		return false, err
	}
	if h.By == "" {
		h.By = by.User
	}
	var n int64
	err := c.write(ctx, "place a hold", func(t *transaction) (err error) {
		if n, err = t.insertHold(h); err != nil || n == 0 {
			return err
		}
		return t.audit(AuditRecord{Time: h.At, Actor: by, Action: "hold", Path: h.Glob, Reason: h.Case})
	})
	return n > 0 && err == nil, err
}

func (t *transaction) insertHold(h Hold) (int64, error) {
	return t.exec("INSERT INTO hold VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", h.Case, []byte(h.Glob), h.By, packTime(h.At))
}

// RemoveHold lifts one hold of a case, or all of them (glob ""), and says how many.
func (c *Catalog) RemoveHold(ctx context.Context, by Actor, now time.Time, caseID, glob string) (int, error) {
	n := 0
	err := c.write(ctx, "lift a hold", func(t *transaction) error {
		var globs []string
		err := t.rows("DELETE FROM hold WHERE case_id = ?1 AND (length(?2) = 0 OR glob = ?2) RETURNING glob", []any{caseID, []byte(glob)},
			func(rows *sql.Rows) error {
				var g []byte
				err := rows.Scan(&g)
				globs = append(globs, string(g))
				return err
			})
		if err != nil {
			return err
		}
		slices.Sort(globs)
		for _, g := range globs {
			if err := t.audit(AuditRecord{Time: now, Actor: by, Action: "unhold", Path: g, Reason: caseID}); err != nil {
				return err
			}
		}
		n = len(globs)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Holds are those that stand in the catalog, by case and glob.
func (c *Catalog) Holds(ctx context.Context) ([]Hold, error) {
	var holds []Hold
	err := c.query(ctx, "SELECT case_id, glob, by, at FROM hold ORDER BY case_id, glob", nil, func(rows *sql.Rows) error {
		h := Hold{Cause: CauseCatalog}
		var glob []byte
		var at *int64
		err := rows.Scan(&h.Case, &glob, &h.By, &at)
		h.Glob, h.At = string(glob), unpackTime(at)
		holds = append(holds, h)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the holds: %w", err)
	}
	return holds, nil
}
