package policy

import (
	"fmt"
	"math"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
)

// kind is the type of a value; expr has checked that operators get what they want.
type kind int

const (
	boolKind kind = iota
	intKind
	floatKind
	stringKind
	durationKind
	timeKind
)

func (k kind) String() string {
	return [...]string{"true or false", "a number", "a number", "a text", "a duration", "a time"}[k]
}

// frame is one decision: what is asked, and what went wrong on the way. The first error makes the whole decision fail.
type frame struct {
	*File
	Moment
	err error
}

func (fr *frame) fail(err error) {
	if fr.err == nil {
		fr.err = err
	}
}

func (fr *frame) age() int64 { return int64(fr.since(fr.Mtime)) }

func (fr *frame) idle() int64 {
	at, _ := fr.LastUse(fr.Moment.Atime)
	return int64(fr.since(at))
}

type (
	boolFunc   func(*frame) bool
	intFunc    func(*frame) int64 // durations too, in nanoseconds
	floatFunc  func(*frame) float64
	stringFunc func(*frame) string
	timeFunc   func(*frame) fsys.Time
)

// value is a compiled part of a rule: a function of its kind.
type value struct {
	kind     kind
	constant bool
	variable string // where it is nothing but one
	call     any    // one of the five functions
}

func (v value) bool() boolFunc     { return v.call.(boolFunc) }
func (v value) int() intFunc       { return v.call.(intFunc) }
func (v value) string() stringFunc { return v.call.(stringFunc) }
func (v value) time() timeFunc     { return v.call.(timeFunc) }

// float is a number's value as a float.
func (v value) float() floatFunc {
	if v.kind == floatKind {
		return v.call.(floatFunc)
	}
	i := v.int()
	return func(fr *frame) float64 { return float64(i(fr)) }
}

func boolValue(f boolFunc) value     { return value{kind: boolKind, call: f} }
func intValue(f intFunc) value       { return value{kind: intKind, call: f} }
func floatValue(f floatFunc) value   { return value{kind: floatKind, call: f} }
func stringValue(f stringFunc) value { return value{kind: stringKind, call: f} }
func durationValue(f intFunc) value  { return value{kind: durationKind, call: f} }
func timeValue(f timeFunc) value     { return value{kind: timeKind, call: f} }

// fold computes what is made of constants alone, now instead of for each file.
func (v value) fold(parts ...value) (value, error) {
	for _, p := range parts {
		if !p.constant {
			return v, nil
		}
	}
	fr := &frame{}
	switch f := v.call.(type) {
	case boolFunc:
		x := f(fr)
		v.call = boolFunc(func(*frame) bool { return x })
	case intFunc:
		x := f(fr)
		v.call = intFunc(func(*frame) int64 { return x })
	case floatFunc:
		x := f(fr)
		v.call = floatFunc(func(*frame) float64 { return x })
	case stringFunc:
		x := f(fr)
		v.call = stringFunc(func(*frame) string { return x })
	case timeFunc:
		x := f(fr)
		v.call = timeFunc(func(*frame) fsys.Time { return x })
	}
	v.constant = true
	return v, fr.err
}

func (v value) constantString() string { return v.string()(nil) }

// variable is the function that reads it.
func variable(name string) (value, bool) {
	var v value
	switch name {
	case "path":
		v = stringValue(func(fr *frame) string { return fr.Path() })
	case "dir":
		v = stringValue(func(fr *frame) string { return fr.Dir })
	case "name":
		v = stringValue(func(fr *frame) string { return fr.Name })
	case "ext":
		v = stringValue(func(fr *frame) string { return fr.ext() })
	case "size":
		v = intValue(func(fr *frame) int64 { return fr.Size })
	case "blocks":
		v = intValue(func(fr *frame) int64 { return fr.Allocated })
	case "idle":
		v = durationValue((*frame).idle)
	case "age":
		v = durationValue((*frame).age)
	case "mtime":
		v = timeValue(func(fr *frame) fsys.Time { return fr.Mtime })
	case "atime":
		v = timeValue(func(fr *frame) fsys.Time { return fr.File.Atime })
	case "uid":
		v = intValue(func(fr *frame) int64 { return int64(fr.UID) })
	case "gid":
		v = intValue(func(fr *frame) int64 { return int64(fr.GID) })
	case "mode":
		v = intValue(func(fr *frame) int64 { return int64(fr.Permissions()) })
	case "nlink":
		v = intValue(func(fr *frame) int64 { return int64(fr.Nlink) })
	case "owner":
		v = stringValue(func(fr *frame) string { return fr.named(fr.Owner, fr.UID) })
	case "group":
		v = stringValue(func(fr *frame) string { return fr.named(fr.Group, fr.GID) })
	default:
		return value{}, false
	}
	v.variable = name
	return v, true
}

func (fr *frame) named(lookup func(uint32) (string, error), id uint32) string {
	if lookup == nil {
		return fmt.Sprint(id)
	}
	name, err := lookup(id)
	if err != nil {
		fr.fail(err)
	}
	return name
}

func durations() map[string]time.Duration {
	return map[string]time.Duration{"days": 24 * time.Hour, "hours": time.Hour}
}

func sizes() map[string]int64 {
	return map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
}

// scale is n (an int, int64 or float64) times a unit; what does not fit is an error.
func scale(n any, unit time.Duration) (time.Duration, error) {
	var x float64
	switch n := n.(type) {
	case int:
		x = float64(n)
		if result := time.Duration(n) * unit; math.Abs(x*float64(unit)) < math.MaxInt64/2 {
			return result, nil
		}
	case float64:
		x = n
		if math.Abs(x*float64(unit)) < math.MaxInt64/2 {
			return time.Duration(x * float64(unit)), nil
		}
	}
	return 0, fmt.Errorf("%v is too much", x)
}
