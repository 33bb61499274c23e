package archive

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/tidemark/tidemark/internal/fsys"
)

// ObjectPath is where an object is, relative to the archive's directory: data/HOST/PATH for version 1, versions/N/HOST/PATH for
// those after. The path is absolute and clean.
func ObjectPath(host, path string, version int) string {
	return tree(version) + "/" + host + path
}

// tree is the top of a version's objects.
func tree(version int) string {
	if version == 1 {
		return data
	}
	return versions + "/" + strconv.Itoa(version)
}

// ValidHost refuses names of hosts that can't be a directory and a file's name.
func ValidHost(host string) error {
	if host == "" || host == "." || host == ".." || len(host) > 200 || strings.ContainsAny(host, "/\x00") {
		return fmt.Errorf("%q can't be the name of a host in an archive", host)
	}
	return nil
}

// validObject refuses paths within an archive that name no object.
func validObject(object string) error {
	top, rest, _ := strings.Cut(object, "/")
	if top == versions {
		var n string
		n, rest, _ = strings.Cut(rest, "/")
		if number, err := strconv.Atoi(n); err != nil || number < 2 || strconv.Itoa(number) != n {
			rest = ""
		}
	} else if top != data {
		rest = ""
	}
	if host, file, ok := strings.Cut(rest, "/"); !ok || ValidHost(host) != nil || !validPath("/"+file) {
		return fmt.Errorf("%q is not the path of an object", object)
	}
	return nil
}

// validPath says whether a path is absolute, clean and not the root itself.
func validPath(p string) bool {
	return len(p) > 1 && p[0] == '/' && path.Clean(p) == p && !strings.Contains(p, "\x00")
}

// ObjectParent opens the directory of an object as it is, and gives the object's name in it. Close it. fs.ErrNotExist: there is
// no such directory.
func (a *Archive) ObjectParent(object string) (dir fsys.Dir, name string, err error) {
	if err := validObject(object); err != nil {
		return nil, "", err
	}
	parent, name := path.Split(object)
	dir, err = a.Root.OpenDir(strings.TrimSuffix(parent, "/"))
	return dir, name, err
}

// OpenObject opens an object for reading. Close it. fs.ErrNotExist: there is none.
func (a *Archive) OpenObject(object string) (fsys.File, error) {
	dir, name, err := a.ObjectParent(object)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Open(name)
}

// HomeOf is the host and the absolute path at home of an object, by its name.
func HomeOf(object string) (host, file string, ok bool) {
	tree, rest, _ := strings.Cut(object, "/")
	if tree == "versions" {
		_, rest, _ = strings.Cut(rest, "/")
	} else if tree != "data" {
		return "", "", false
	}
	host, file, ok = strings.Cut(rest, "/")
	return host, "/" + file, ok && host != "" && file != ""
}
