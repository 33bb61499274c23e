package config

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/goccy/go-yaml/ast"
	"github.com/prometheus/common/model"
)

// ParsePercent reads a share: "95%" or "95" is .95. It takes 0 to 100.
func ParsePercent(s string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(s, "%")), 64)
	if err != nil || !(v >= 0 && v <= 100) {
		return 0, fmt.Errorf("%q is no percentage: write one from 0%% to 100%%, such as 95%%", s)
	}
	return v / 100, nil
}

// ParseDuration reads a positive duration in the units ms, s, m, h, d, w and y, such as 45d or 1h30m.
func ParseDuration(s string) (time.Duration, error) {
	d, err := model.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is no duration: write one such as 1m, 36h or 45d", s)
	}
	return time.Duration(d), nil
}

func matches(glob, name string) bool {
	ok, err := doublestar.Match(glob, name)
	return err == nil && ok
}

// keys is the whole schema: what stands here may stand in a file.
func (c *Config) keys(r *reader) keys {
	return keys{
		"host":     r.name(&c.Host, "a hostname"),
		"data_dir": r.absolute(&c.Data),
		"timezone": r.timezone(&c.Timezone),
		"tags":     func(n ast.Node, f string) { r.tags(n, f, c.Tags) },
		"influx":   func(n ast.Node, f string) { c.Influx = r.influx(n, f) },
		"agent": func(n ast.Node, f string) {
			r.mapping(n, f, keys{
				"every": r.duration(&c.Agent.Every, time.Second, day),
				"exclude": func(n ast.Node, f string) {
					r.mapping(n, f, keys{
						"fstypes": r.strings(&c.Agent.Exclude.Fstypes, nil),
						"paths":   r.strings(&c.Agent.Exclude.Paths, validGlob),
					})
				},
			})
		},
		"planner": func(n ast.Node, f string) {
			r.mapping(n, f, keys{
				"full_level": r.share(&c.Planner.FullLevel),
				"lead_time":  r.duration(&c.Planner.LeadTime, 0, 10*365*day),
				"horizon":    r.duration(&c.Planner.Horizon, day, 10*365*day),
				"volumes": func(n ast.Node, f string) {
					r.sequence(n, f, func(n ast.Node, f string) {
						c.Planner.Volumes = append(c.Planner.Volumes, r.override(n, f))
					})
				},
			})
		},
		"archives": r.archives(&c.Archives),
		"policies": r.policies(&c.Policies),
		"holds":    r.holds(&c.Holds),
		"tiering":  r.tiering(&c.Tiering),
	}
}

func (r *reader) override(node ast.Node, field string) Override {
	var o Override
	r.mapping(node, field, keys{
		"match": func(n ast.Node, f string) {
			if s, ok := r.text(n, f); ok {
				o.Match = s
				if err := validGlob(s); err != nil || !strings.Contains(s, ":") {
					r.problem(n, f, "%q matches no volume: write a glob over host:path, such as \"db*:/var/lib/**\"", s)
				}
			}
		},
		"full_level": r.share(&o.FullLevel),
		"owner":      r.name(&o.Owner, "an owner"),
	})
	if o.Match == "" {
		r.problem(node, field, "needs match: a glob over host:path")
	}
	return o
}

func (r *reader) influx(node ast.Node, field string) *Influx {
	if _, null := node.(*ast.NullNode); null {
		return nil
	}
	x := &Influx{}
	before := len(r.problems)
	r.mapping(node, field, keys{
		"url": func(n ast.Node, f string) {
			if s, ok := r.text(n, f); ok {
				x.URL = s
				if why := badURL(s); why != "" {
					r.problem(n, f, "%s", why)
				}
			}
		},
		"org":             r.name(&x.Org, "an organisation"),
		"bucket":          r.name(&x.Bucket, "a bucket"),
		"forecast_bucket": r.name(&x.ForecastBucket, "a bucket"),
		"token_file":      r.name(&x.TokenFile, "a file"),
		"ca_file":         r.name(&x.CAFile, "a file"),
		"token": func(n ast.Node, f string) {
			r.problem(n, f, "a secret has no place in this file: put it into a file of its own and name that in token_file")
		},
		"password": func(n ast.Node, f string) {
			r.problem(n, f, "a secret has no place in this file: write user:password into a file of its own and name that in token_file")
		},
	})
	if len(r.problems) == before {
		if x.URL == "" {
			r.problem(node, field, "needs url, such as https://influx.example:8086")
		}
		if x.Bucket == "" {
			r.problem(node, field, "needs bucket: where samples are written")
		}
	}
	if x.ForecastBucket == "" {
		x.ForecastBucket = x.Bucket + "_forecast"
	}
	return x
}

func badURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		return "is no address: write one such as https://influx.example:8086"
	case u.User != nil:
		return "a secret has no place in this file: write user:password into a file of its own and name that in token_file"
	case u.RawQuery != "" || u.Fragment != "":
		return "has a query or a fragment; write the address alone, such as https://influx.example:8086"
	}
	return ""
}

func unprintable(c rune) bool { return c < ' ' || c == 0x7f }

// name reads a text of one line.
func (r *reader) name(into *string, what string) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		s, ok := r.text(node, field)
		if ok && strings.ContainsFunc(s, unprintable) {
			r.problem(node, field, "%q is not %s: it has control characters", s, what)
		}
		*into = s
	}
}

func (r *reader) absolute(into *string) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		s, ok := r.text(node, field)
		if ok && s != "" && !path.IsAbs(s) {
			r.problem(node, field, "%q is not absolute: begin it with /", s)
		}
		*into = s
	}
}

func (r *reader) timezone(into **time.Location) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		s, ok := r.text(node, field)
		if !ok {
			return
		}
		zone, err := time.LoadLocation(s)
		if err != nil || s == "Local" {
			r.problem(node, field, "%q is no time zone: write one such as UTC or Asia/Kolkata", s)
			return
		}
		*into = zone
	}
}

func (r *reader) duration(into *time.Duration, least, most time.Duration) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		s, ok := r.text(node, field)
		if !ok {
			return
		}
		d, err := ParseDuration(s)
		switch {
		case err != nil:
			r.problem(node, field, "%v", err)
		case d < least || d > most:
			r.problem(node, field, "%q is not within %s to %s", s, model.Duration(least), model.Duration(most))
		default:
			*into = d
		}
	}
}

func (r *reader) share(into *float64) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		s, ok := r.text(node, field)
		if !ok {
			return
		}
		v, err := ParsePercent(s)
		if err != nil || v < .01 || !strings.HasSuffix(s, "%") {
			r.problem(node, field, "%q is no share: write a percentage from 1%% to 100%%, such as 95%%", s)
			return
		}
		*into = v
	}
}

func (r *reader) strings(into *[]string, valid func(string) error) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		list := []string{}
		r.sequence(node, field, func(n ast.Node, f string) {
			s, ok := r.text(n, f)
			if !ok {
				return
			}
			if s == "" {
				r.problem(n, f, "is empty")
			} else if strings.ContainsFunc(s, unprintable) {
				r.problem(n, f, "%q has control characters", s)
			} else if valid != nil && valid(s) != nil {
				r.problem(n, f, "%v", valid(s))
			}
			list = append(list, s)
		})
		*into = list
	}
}

func validGlob(s string) error {
	if !doublestar.ValidatePattern(s) {
		return fmt.Errorf("%q is no glob: a bracket or brace is not closed", s)
	}
	return nil
}

var tagName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// reservedTags are set by Tidemark itself.
var reservedTags = []string{"host", "path", "device", "fstype", "mode", "label", "resource", "name", "bucket", "policy", "days", "archive", "event", "time"}

func (r *reader) tags(node ast.Node, field string, into map[string]string) {
	values, _ := r.entries(node, field)
	for _, v := range values {
		key, ok := r.key(v, field)
		if !ok {
			continue
		}
		path := join(field, key)
		var value string
		r.name(&value, "a tag's value")(v.Value, path)
		_, twice := into[key]
		switch {
		case twice:
			r.problem(v.Key, path, "stands twice")
		case slices.Contains(reservedTags, key):
			r.problem(v.Key, path, "is reserved: Tidemark sets it itself")
		case !tagName.MatchString(key):
			r.problem(v.Key, path, "is no name for a tag: use letters, digits, _ and -")
		case value == "" || strings.HasSuffix(value, `\`):
			r.problem(v.Value, path, "a tag needs a value that does not end in a backslash")
		}
		into[key] = value
	}
}
