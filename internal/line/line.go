// Package line writes measurements in InfluxDB's line protocol, the form in which the agent, the planner and the tiering
// engine hand them to an outbox or a server. Names and types of the disk measurement are those of Telegraf's disk plugin.
package line

import (
	"fmt"
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

// Field is one value of a point: an int64 or a float64 (InfluxDB 1.8 refuses unsigned integers).
type Field struct {
	Key   string
	Value any
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
// a name that line protocol cannot carry and on values that are not finite.
func Encode(p Point) (string, error) {
	var e lineprotocol.Encoder
	e.SetPrecision(lineprotocol.Second)
	e.StartLine(p.Measurement)
	keys := make([]string, 0, len(p.Tags))
	for k, v := range p.Tags {
		if v != "" {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		e.AddTag(k, p.Tags[k])
	}
	for _, f := range p.Fields {
		v, ok := lineprotocol.NewValue(f.Value)
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
