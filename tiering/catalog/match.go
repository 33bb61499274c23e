package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// HoldMatcher says whether a path is held. It is immutable and safe for concurrent use; a nil one holds nothing.
//
// A glob that matches a directory holds everything below it too: whoever names a directory means what is in it, whether a shell expanded
// the name or not, and to hold too much is the smaller mistake.
//
// Globs are found by the directory that their literal beginning names, so that a path is compared only with the globs of the
// directories above it.
type HoldMatcher struct {
	dirs map[string][]heldGlob // by that directory, without the slash at its end; "" is the root
}

type heldGlob struct {
	hold    Hold
	literal string // what a path must begin with
	glob    string // "" where the literal is all of it: it was found by this directory
	deep    bool   // the glob itself matches all below what it matches
}

// NewHoldMatcher is the matcher of holds, of the catalog's and of the configuration's. A hold that cannot match is an error.
func NewHoldMatcher(holds []Hold) (*HoldMatcher, error) {
	sorted := slices.Clone(holds)
	slices.SortStableFunc(sorted, func(a, b Hold) int { return cmp.Or(cmp.Compare(a.Case, b.Case), cmp.Compare(a.Glob, b.Glob)) })
	m := &HoldMatcher{map[string][]heldGlob{}}
	for _, h := range sorted {
		if err := ValidateHold(h); err != nil {
			return nil, fmt.Errorf("%w (from the %s)", err, h.Cause)
		}
		m.add(h)
	}
	return m, nil
}

func (m *HoldMatcher) add(h Hold) {
	glob := strings.TrimRight(h.Glob, "/")
	literal, rest := splitGlob(glob)
	g := heldGlob{hold: h, literal: literal}
	dir := literal
	if rest != "" {
		dir = literal[:strings.LastIndexByte(literal, '/')]
		g.glob, g.deep = glob, strings.HasSuffix(glob, "/**")
		if strings.HasPrefix(rest, "**") {
			g.literal = strings.TrimSuffix(literal, "/") // /a/** holds a file /a too
		}
	}
	m.dirs[dir] = append(m.dirs[dir], g)
}

// Match is the hold that keeps a path; of several the one of the highest directory, then by case and glob.
func (m *HoldMatcher) Match(path string) (Hold, bool) {
	if m == nil || len(m.dirs) == 0 {
		return Hold{}, false
	}
	for i := range len(path) + 1 {
		if i < len(path) && path[i] != '/' {
			continue
		}
		for _, g := range m.dirs[path[:i]] {
			if g.match(path) {
				return g.hold, true
			}
		}
	}
	return Hold{}, false
}

func (g *heldGlob) match(path string) bool {
	if g.glob == "" {
		return true
	}
	if !strings.HasPrefix(path, g.literal) {
		return false
	}
	for i := max(len(g.literal), 1); i < len(path) && !g.deep; i++ {
		if path[i] == '/' && doublestar.MatchUnvalidated(g.glob, path[:i]) {
			return true
		}
	}
	return doublestar.MatchUnvalidated(g.glob, path)
}
