package catalog

import (
	"fmt"
	"os"
)

// CheckDirectory refuses a directory for a catalog that somebody else could put one into: what a catalog says is what root will do. One
// that is not there is fs.ErrNotExist; Open makes it.
func CheckDirectory(dir string) error {
	info, err := os.Lstat(dir) // a symlink could lead anywhere by the next time
	if err != nil {
		return err
	}
	owner, known := ownerOf(info)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is to hold the catalog, but it is no directory", dir)
	case known && owner != os.Geteuid():
		return fmt.Errorf("%s is to hold the catalog, but belongs to user %d, not to user %d, who runs this: whoever can write there decides what is moved",
			dir, owner, os.Geteuid())
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is to hold the catalog, but others than its owner can look into it (mode %04o): make it 0700", dir, info.Mode().Perm())
	}
	return nil
}
