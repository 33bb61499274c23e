package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// maxVariants bounds what braces may stand for: every combination of them is tried.
const maxVariants = 1000

// Glob is a compiled pattern: * and ? stay within a component, ** crosses directories, [] and {} are classes and choices. The
// forms that are written most are matched without doublestar.
type Glob struct {
	text string
	kind globKind
	part string // literal: of its kind
}

type globKind int

const (
	general   globKind = iota // part is what every match starts with
	literal                   // part
	below                     // part/**
	component                 // **/part/**
	base                      // **/part
	suffix                    // **/*part
)

// CompileGlob refuses what is no pattern, and what would take too long.
func CompileGlob(text string) (Glob, error) {
	if text == "" {
		return Glob{}, errors.New("an empty pattern matches nothing")
	}
	if len(text) > 4096 || !doublestar.ValidatePattern(text) {
		return Glob{}, fmt.Errorf("%q is no glob: a bracket or brace is not closed, or it is too long", text)
	}
	if variants(text) > maxVariants {
		return Glob{}, fmt.Errorf("the braces of %q stand for more than %d patterns: write fewer of them", text, maxVariants)
	}
	g := Glob{text: text}
	inner, crossing := strings.CutPrefix(text, "**/")
	upper, everything := strings.CutSuffix(inner, "/**")
	tail, star := strings.CutPrefix(inner, "*")
	switch {
	case isLiteral(text):
		g.kind, g.part = literal, text
	case crossing && everything && isName(upper):
		g.kind, g.part = component, upper
	case crossing && isName(inner):
		g.kind, g.part = base, inner
	case crossing && star && isName(tail):
		g.kind, g.part = suffix, tail
	case !crossing && everything && isLiteral(upper) && !strings.HasSuffix(upper, "/"):
		g.kind, g.part = below, upper
	default:
		fixed := text[:strings.IndexAny(text, meta)]
		g.part = fixed[:max(strings.LastIndexByte(fixed, '/'), 0)]
	}
	return g, nil
}

const meta = `*?[{\`

func isLiteral(s string) bool { return s != "" && !strings.ContainsAny(s, meta) }
func isName(s string) bool    { return isLiteral(s) && !strings.ContainsAny(s, "/}") }

// variants is how many patterns the braces stand for, or more.
func variants(text string) int {
	n, choices, depth := 1, 1, 0
	for _, r := range text {
		switch r {
		case '{':
			depth++
			choices++
		case ',':
			if depth > 0 {
				choices++
			}
		case '}':
			if depth--; depth <= 0 {
				n, choices, depth = n*choices, 1, 0
			}
		}
		if n > maxVariants || choices > maxVariants {
			return maxVariants + 1
		}
	}
	return n
}

func (g Glob) String() string { return g.text }

// Match says whether the whole path matches.
func (g Glob) Match(path string) bool {
	switch g.kind {
	case literal:
		return path == g.part
	case below:
		return strings.HasPrefix(path, g.part) && (len(path) == len(g.part) || path[len(g.part)] == '/')
	case component:
		return hasComponent(path, g.part)
	case base:
		return path[strings.LastIndexByte(path, '/')+1:] == g.part
	case suffix:
		return strings.HasSuffix(path, g.part) && !strings.HasSuffix(path, "/")
	}
	if !strings.HasPrefix(path, g.part) {
		return false
	}
	ok, err := doublestar.Match(g.text, path)
	return ok && err == nil
}

// matchName is Match for a file of which only the name counts, as no directory above matches; ok says whether this is such a pattern.
func (g Glob) matchName(name string) (match, ok bool) {
	switch g.kind {
	case component, base:
		return name == g.part, true
	case suffix:
		return strings.HasSuffix(name, g.part), true
	}
	return false, false
}

func hasComponent(path, name string) bool {
	for rest := path; ; {
		head, tail, more := strings.Cut(rest, "/")
		if head == name {
			return true
		}
		if !more {
			return false
		}
		rest = tail
	}
}

// Excludes are the patterns of what a policy leaves alone. One that starts with a slash is about absolute paths, one with a slash
// elsewhere about paths below the volume, and one without any about names at every depth. What matches a directory excludes
// all below it.
type Excludes struct {
	volume string // without a slash at its end
	names  []Glob // only the last component matters
	below  []Glob // relative to the volume
	paths  []Glob // absolute
}

// NewExcludes compiles the patterns of a policy for a volume (an absolute path).
func NewExcludes(volume string, patterns []string) (*Excludes, error) {
	e := &Excludes{volume: strings.TrimSuffix(volume, "/")}
	for i, text := range patterns {
		full := text
		if !strings.Contains(text, "/") {
			full = "**/" + text
		}
		g, err := CompileGlob(full)
		if err != nil {
			return nil, fmt.Errorf("exclude[%d]: %w", i, err)
		}
		g.text = text
		_, byName := g.matchName("")
		switch {
		case byName:
			e.names = append(e.names, g)
		case strings.HasPrefix(full, "/"):
			e.paths = append(e.paths, g)
		default:
			g.text = full
			e.below = append(e.below, g)
		}
	}
	return e, nil
}

// Match is the pattern that excludes this file or directory itself; what is above it must have been asked about before.
func (e *Excludes) Match(f *File) (pattern string, excluded bool) {
	for _, g := range e.names {
		if match, _ := g.matchName(f.Name); match {
			return g.text, true
		}
	}
	if len(e.below) == 0 && len(e.paths) == 0 {
		return "", false
	}
	path := f.Path()
	for _, g := range e.paths {
		if g.Match(path) {
			return g.text, true
		}
	}
	relative, inside := strings.CutPrefix(path, e.volume+"/")
	for _, g := range e.below {
		if inside && g.Match(relative) {
			return g.text, true
		}
	}
	return "", false
}

// MatchAll is Match for the file and every directory between it and the volume.
func (e *Excludes) MatchAll(f *File) (pattern string, excluded bool) {
	path := f.Path()
	for end := len(e.volume) + 1; end < len(path); end++ {
		if path[end] != '/' {
			continue
		}
		if pattern, excluded = e.Match(FileAt(path[:end], f.Info)); excluded {
			return pattern, true
		}
	}
	return e.Match(f)
}
