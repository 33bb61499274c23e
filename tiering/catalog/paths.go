package catalog

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// pathRange is the paths that a directory and a glob choose: those from low (inclusive) to high (exclusive) that match.
type pathRange struct {
	low, high string // high "": to the end
	glob      string // "": all within the range
}

// newPathRange is the range of everything below the directory prefix ("": everywhere) that matches glob ("": all).
func newPathRange(prefix, glob string) (pathRange, error) {
	var r pathRange
	if prefix != "" {
		if !strings.HasPrefix(prefix, "/") {
			return r, fmt.Errorf("the directory %q is not absolute", prefix)
		}
		r.low = strings.TrimRight(prefix, "/") + "/"
		r.high = after(r.low)
	}
	if glob == "" {
		return r, nil
	}
	if err := validateGlob(glob); err != nil {
		return r, err
	}
	r.glob = glob
	literal, rest := splitGlob(glob)
	if strings.HasPrefix(rest, "**") {
		literal = strings.TrimSuffix(literal, "/") // /srv/** matches /srv too
	}
	high := after(literal)
	if rest == "" {
		high = literal + "\x00"
		r.glob = ""
	}
	r.low = max(r.low, literal)
	if r.high == "" || high != "" && high < r.high {
		r.high = high
	}
	return r, nil
}

func (r pathRange) match(path string) bool {
	if path < r.low || r.high != "" && path >= r.high {
		return false
	}
	return r.glob == "" || doublestar.MatchUnvalidated(r.glob, path)
}

// after is the first string behind all that begin with prefix; "" if there is none.
func after(prefix string) string {
	b := []byte(prefix)
	for len(b) > 0 {
		if last := len(b) - 1; b[last] < 0xff {
			b[last]++
			return string(b)
		}
		b = b[:len(b)-1]
	}
	return ""
}

// splitGlob is the text that everything which matches begins with, and the rest of the glob from its first wildcard on ("": it is a
// plain path).
func splitGlob(glob string) (literal, rest string) {
	var b strings.Builder
	for i := 0; i < len(glob); i++ {
		switch glob[i] {
		case '*', '?', '[', '{':
			return b.String(), glob[i:]
		case '\\':
			if i++; i == len(glob) {
				return b.String(), ""
			}
		}
		b.WriteByte(glob[i])
	}
	return b.String(), ""
}

// validateGlob refuses a glob that is malformed or can match no absolute path.
func validateGlob(glob string) error {
	switch {
	case glob == "":
		return errors.New("an empty glob matches nothing")
	case !strings.HasPrefix(glob, "/"):
		return fmt.Errorf("the glob %q is not absolute: begin it with /", glob)
	case !doublestar.ValidatePattern(glob):
		return fmt.Errorf("the glob %q is malformed: look at its brackets, braces and backslashes", glob)
	case strings.ContainsRune(glob, 0):
		return fmt.Errorf("the glob %q has a zero byte, which no path has", glob)
	}
	for part := range strings.SplitSeq(strings.Trim(glob, "/"), "/") {
		if part == "." || part == ".." || part == "" && strings.Trim(glob, "/") != "" {
			return fmt.Errorf("the glob %q has the part %q, which no absolute path has", glob, part)
		}
	}
	return nil
}
