package policy

import (
	"fmt"
	"strings"
	"time"
)

// Why is the kind of a verdict: the first of these that applies.
type Why uint8

const (
	Eligible   Why = iota
	NotRegular     // a directory, symlink, device, FIFO, socket
	HardLinked     // has more than one name
	Empty          // takes no space
	Internal       // below the volume's .tidemark
	Excluded       // by a pattern
	TooYoung       // written just now
	Unmatched      // the rule says no
	Undecided      // the rule could not be decided: an attribute or a name could not be read
	Held           // under a hold
	Recalled       // came back from the archive not long ago
)

// String is a short name, such as for counts by reason.
func (w Why) String() string {
	return [...]string{
		"eligible", "not a regular file", "hard links", "takes no space", "tidemark's own", "excluded", "too young", "not matched",
		"undecided", "held", "recently recalled",
	}[w]
}

// Copy is what the catalog knows of a file that is unchanged since it was archived or recalled.
type Copy struct {
	Archived   bool      // an unchanged copy is in the archive
	RecalledAt time.Time // zero: never
}

// Judge is a policy: the rule, and what no rule may overrule. The zero value of every field but Rule and Volume is allowed.
type Judge struct {
	Rule     *Rule
	Volume   string // absolute
	Excludes *Excludes
	Own      []string // directories that are tidemark's besides the volume's .tidemark; absolute, without a slash at their end
	// Held says whether a hold covers an absolute path, and which. It may be asked by several goroutines.
	Held func(path string) (cause string, held bool)
	// Known is the unchanged copy of a file. It may be asked by several goroutines.
	Known        func(*File) Copy
	KeepRecalled time.Duration // so long a recalled file is left alone
	MinAge       time.Duration // what was changed later than this ago is left alone
	Moment       Moment
}

// Verdict is a decision with its reason.
type Verdict struct {
	Eligible bool
	Why      Why
	Archived bool   // an unchanged copy is in the archive: only the release is left to do
	Clause   string // the clauses of the rule that decided, if it was the rule
	Reason   string
}

// Decide is the verdict on one file, wherever it was found: the directories above are asked about too.
func (j *Judge) Decide(f *File) Verdict {
	s := j.Session()
	why, detail := s.before(f, true)
	if why != Eligible {
		return Verdict{Why: why, Reason: detail}
	}
	clauses := j.Rule.Explain(f, j.Moment)
	clause, reason := because(clauses)
	if clauses[0].Err != nil {
		return Verdict{Why: Undecided, Clause: clause, Reason: reason}
	}
	if !clauses[0].Value {
		return Verdict{Why: Unmatched, Clause: clause, Reason: reason}
	}
	why, known, detail := s.after(f, j.Moment.Now)
	if why != Eligible {
		return Verdict{Why: why, Archived: known.Archived, Clause: clause, Reason: detail}
	}
	return Verdict{Eligible: true, Archived: known.Archived, Clause: clause, Reason: reason}
}

// Session is a judge for one goroutine: it decides without giving reasons, and without allocating.
type Session struct {
	*Judge
	frame    frame
	internal string
}

// Session is a new one.
func (j *Judge) Session() *Session {
	return &Session{Judge: j, frame: frame{Moment: j.Moment}, internal: strings.TrimSuffix(j.Volume, "/") + "/.tidemark"}
}

// Before is what is decided before the rule is asked: Eligible if nothing speaks against the file. The directories above it are taken to
// have been asked about (Excludes).
func (s *Session) Before(f *File) Why {
	why, _ := s.before(f, false)
	return why
}

// Matches asks the rule, as of a time, by atime or by mtime: Eligible, Unmatched or Undecided.
func (s *Session) Matches(f *File, now time.Time, atime bool) Why {
	s.frame.File, s.frame.err = f, nil
	s.frame.Moment.Now, s.frame.Moment.Atime = now, atime
	switch ok := s.Rule.match(&s.frame); {
	case s.frame.err != nil:
		return Undecided
	case ok:
		return Eligible
	}
	return Unmatched
}

// After is what is decided about a file that the rule takes, as of a time.
func (s *Session) After(f *File, now time.Time) (Why, Copy) {
	why, known, _ := s.after(f, now)
	return why, known
}

// Quick is the whole decision.
func (s *Session) Quick(f *File) (Why, Copy) {
	if why := s.Before(f); why != Eligible {
		return why, Copy{}
	}
	if why := s.Matches(f, s.Moment.Now, s.Moment.Atime); why != Eligible {
		return why, Copy{}
	}
	return s.After(f, s.Moment.Now)
}

// before gives details where they are wanted, and then asks about the directories above as well.
func (s *Session) before(f *File, detailed bool) (why Why, detail string) {
	switch {
	case !f.IsRegular():
		return NotRegular, "not a regular file"
	case f.Nlink > 1:
		return HardLinked, s.say(detailed, "has %d names: releasing one would free nothing", f.Nlink)
	case f.Size == 0 || f.Allocated == 0:
		return Empty, "takes no space: releasing it would free nothing"
	case isIn(f.Dir, s.internal):
		return Internal, "is tidemark's own"
	}
	for _, own := range s.Own {
		if isIn(f.Dir, own) {
			return Internal, s.say(detailed, "is tidemark's own: %s", own)
		}
	}
	if s.Excludes != nil {
		match := s.Excludes.Match
		if detailed {
			match = s.Excludes.MatchAll
		}
		if pattern, excluded := match(f); excluded {
			return Excluded, s.say(detailed, "excluded by %q", pattern)
		}
	}
	if s.MinAge > 0 {
		changed := f.Mtime
		if before(changed, f.Ctime) {
			changed = f.Ctime
		}
		if age := s.Moment.since(changed); age < s.MinAge {
			return TooYoung, s.say(detailed, "was changed %s ago, less than %s", inDays(age), inDays(s.MinAge))
		}
	}
	return Eligible, ""
}

// isIn says that a directory is another one (without a slash at its end), or below it.
func isIn(dir, other string) bool {
	return strings.HasPrefix(dir, other) && (len(dir) == len(other) || dir[len(other)] == '/')
}

func (s *Session) say(detailed bool, format string, args ...any) string {
	if !detailed {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func (s *Session) after(f *File, now time.Time) (Why, Copy, string) {
	if s.Held != nil {
		if cause, held := s.Held(f.Path()); held {
			return Held, Copy{}, "held: " + cause
		}
	}
	if s.Known == nil {
		return Eligible, Copy{}, ""
	}
	known := s.Known(f)
	if !known.RecalledAt.IsZero() && now.Sub(known.RecalledAt) < s.KeepRecalled {
		until := known.RecalledAt.Add(s.KeepRecalled).UTC().Format(time.RFC3339)
		return Recalled, known, "was recalled and is left alone until " + until
	}
	return Eligible, known, ""
}
