package tiering

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// exportTables are where NFS and SMB say what they export, as patterns of files. All of them are read: what is wanted at the next start
// counts like what is exported now.
var exportTables = []struct {
	files string
	paths func(text string) (exported, includes []string)
}{
	{"/proc/fs/nfsd/exports", nfsPaths},
	{"/var/lib/nfs/etab", nfsPaths},
	{"/etc/exports", nfsPaths},
	{"/etc/exports.d/*.exports", nfsPaths},
	{"/etc/samba/smb.conf", sambaPaths},
	{"/var/lib/samba/usershares/*", sambaPaths},
}

// mostIncludes bounds the files that configuration of Samba may include.
const mostIncludes = 100

// exportedBy says whether a volume, or something on it or above it, is exported to other hosts.
func exportedBy(volume string) (how string, exported bool, err error) {
	for _, table := range exportTables {
		files, err := filepath.Glob(table.files)
		if err != nil {
			return "", false, err
		}
		for read := 0; len(files) > 0 && read < mostIncludes; read++ {
			file := files[0]
			files = files[1:]
			text, err := os.ReadFile(file)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
				continue
			}
			if err != nil {
				return "", false, fmt.Errorf("see what is exported: %w", err)
			}
			paths, includes := table.paths(string(text))
			files = append(files, includes...)
			for _, path := range paths {
				if overlap(volume, path) {
					return path + " in " + file, true, nil
				}
			}
		}
	}
	return "", false, nil
}

// overlap says that one of two directories is the other, or below it, as they are written or as they are.
func overlap(a, b string) bool {
	realA, realB := real(a), real(b)
	return within(a, b) || within(b, a) || within(realA, realB) || within(realB, realA)
}

// real is a path without symlinks, or the path itself where that can't be said.
func real(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return path
}

// nfsPaths are the paths of exports(5): the first word of each line. A word may be quoted, or have spaces as \040; a line that ends in a
// backslash goes on. Comments don't, whatever they end in: rather one export too many.
func nfsPaths(text string) (exported, _ []string) {
	continued := false
	for line := range strings.SplitSeq(text, "\n") {
		was := continued
		comment := strings.HasPrefix(strings.TrimLeft(line, " \t\r"), "#")
		continued = !comment && strings.HasSuffix(line, "\\")
		if was || comment {
			continue
		}
		if path := firstWord(strings.TrimSuffix(line, "\\")); strings.HasPrefix(path, "/") {
			exported = append(exported, filepath.Clean(path))
		}
	}
	return exported, nil
}

// firstWord is a line's, without quotes and escapes.
func firstWord(line string) string {
	line = strings.TrimLeft(line, " \t\r")
	var word strings.Builder
	quoted := false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t' || c == '\r'):
			return word.String()
		case c == '\\' && i+3 < len(line) && octal(line[i+1:i+4]):
			word.WriteByte((line[i+1]-'0')<<6 | (line[i+2]-'0')<<3 | (line[i+3] - '0'))
			i += 3
		default:
			word.WriteByte(c)
		}
	}
	return word.String()
}

func octal(digits string) bool {
	return digits[0] <= '3' && strings.Trim(digits, "01234567") == ""
}

// sambaPaths are the paths of shares, and the files that are included, of smb.conf(5) and of user shares. A path is cut where it is
// different for every user (%U). Homes are shared without a path.
func sambaPaths(text string) (exported, includes []string) {
	homes := false
	for line := range strings.SplitSeq(strings.ReplaceAll(strings.ReplaceAll(text, "\r", ""), "\\\n", ""), "\n") {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			name, _, _ = strings.Cut(name, "]")
			homes = homes || strings.EqualFold(strings.TrimSpace(name), "homes")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		value = strings.Trim(strings.TrimSpace(value), `"`)
		if fixed, _, cut := strings.Cut(value, "%"); cut {
			value = filepath.Dir(fixed + "x")
		}
		if !strings.HasPrefix(value, "/") {
			continue
		}
		switch strings.ToLower(strings.Join(strings.Fields(key), "")) {
		case "path", "directory":
			exported = append(exported, filepath.Clean(value))
		case "include":
			includes = append(includes, filepath.Clean(value))
		}
	}
	if homes {
		exported = append(exported, "/home")
	}
	return exported, includes
}
