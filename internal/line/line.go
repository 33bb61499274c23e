// Package line writes measurements in InfluxDB's line protocol, the form in which the agent, the planner and the tiering
// engine hand them to an outbox or a server. Names and types of the disk measurement are those of Telegraf's disk plugin.
package line

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

// Point is one point of a measurement. Tags with an empty value are left out, as InfluxDB would refuse them.
type Point struct {
	Measurement string
	Tags        map[string]string
	Fields      []Field
	Time        time.Time // written in whole seconds
}

// Field is one value of a point.
type Field struct {
	Key   string
	Value any // int64, float64 or string; InfluxDB 1.8 refuses unsigned integers
}

// Int makes an integer field.
func Int(key string, v int64) Field { return Field{key, v} }

// Float makes a floating-point field.
func Float(key string, v float64) Field { return Field{key, v} }

// Text makes a string field.
func Text(key, v string) Field { return Field{key, v} }

// Flag makes a field of 1 or 0: boards can count and add them, which they cannot do with booleans.
func Flag(key string, v bool) Field {
	if v {
		return Int(key, 1)
	}
	return Int(key, 0)
}

// Encode writes the point as one line without a line end, its time in seconds. It fails on a point without fields, on
// a name that line protocol cannot carry and on values that are not finite or of another type.
func Encode(p Point) (string, error) {
	if strings.HasPrefix(p.Measurement, "#") {
		return "", fmt.Errorf("write %s: a line that begins with # is a comment", p.Measurement)
	}
	var e lineprotocol.Encoder
	e.SetPrecision(lineprotocol.Second)
	e.StartLine(p.Measurement)
	for _, k := range slices.Sorted(maps.Keys(p.Tags)) {
		if v := tagValue(p.Tags[k]); v != "" {
			e.AddTag(k, v)
		}
	}
	for _, f := range p.Fields {
		v, ok := fieldValue(f.Value)
		if !ok {
			return "", fmt.Errorf("write %s: field %s: %v (%T) cannot be stored", p.Measurement, f.Key, f.Value, f.Value)
		}
		e.AddField(f.Key, v)
	}
	e.EndLine(p.Time)
	if err := e.Err(); err != nil {
		return "", fmt.Errorf("write %s: %w", p.Measurement, err)
	}
	return strings.TrimSuffix(string(e.Bytes()), "\n"), nil
}

func fieldValue(v any) (lineprotocol.Value, bool) {
	switch v.(type) {
	case int64, float64, string:
		return lineprotocol.NewValue(v)
	default:
		return lineprotocol.Value{}, false
	}
}

// spelled are the blanks that line protocol cannot carry, as Telegraf writes them.
var spelled = strings.NewReplacer("\t", `\t`, "\n", `\n`, "\f", `\f`, "\r", `\r`)

// tagValue makes any text one that line protocol can carry. A mount point may hold every byte but NUL, and must cost no other
// volume its line. Like Telegraf it spells out blanks and drops backslashes at the end; what else cannot be carried
// (control characters, bytes that are not UTF-8) becomes U+FFFD.
func tagValue(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, spelled.Replace(strings.ToValidUTF8(s, "\uFFFD")))
	return strings.TrimRight(s, `\`)
}
