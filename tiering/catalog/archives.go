package catalog

import (
	"context"
	"database/sql"
	"fmt"
)

// ArchiveID is the id of the archive that the catalog knows by a name; "" where it knows none.
func (c *Catalog) ArchiveID(ctx context.Context, name string) (id string, err error) {
	err = c.query(ctx, "SELECT id FROM archive WHERE name = ?", []any{name}, func(rows *sql.Rows) error { return rows.Scan(&id) })
	if err != nil {
		return "", fmt.Errorf("read the id of archive %s: %w", name, err)
	}
	return id, nil
}

// Recognise takes the archive of an id for the one of its name, from now on, where the catalog knows none of that name.
func (c *Catalog) Recognise(ctx context.Context, name, id string) error {
	return c.write(ctx, "recognise archive "+name, func(t *transaction) error {
		_, err := t.exec("INSERT OR IGNORE INTO archive (name, id) VALUES (?, ?)", name, id)
		return err
	})
}

// As lets Import take an archive of another id for the one of its name from now on.
func As(id string) ImportOption { return func(i *importing) { i.id = id } }

// become notes the id of an archive that was imported.
func (t *transaction) become(archive, id string) error {
	if id == "" {
		return nil
	}
	_, err := t.exec("INSERT OR REPLACE INTO archive (name, id) VALUES (?, ?)", archive, id)
	return err
}
