package config

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/common/model"
)

// Show writes the configuration as YAML with every default; read again it gives the same values. It holds no secrets,
// since a configuration cannot.
func (c *Config) Show(w io.Writer) error {
	planner := yaml.MapSlice{
		{Key: "full_level", Value: percentText(c.Planner.FullLevel)},
		{Key: "lead_time", Value: durationText(c.Planner.LeadTime)},
		{Key: "horizon", Value: durationText(c.Planner.Horizon)},
	}
	if len(c.Planner.Volumes) > 0 {
		planner = append(planner, yaml.MapItem{Key: "volumes", Value: overridesYAML(c.Planner.Volumes)})
	}
	all := yaml.MapSlice{
		{Key: "host", Value: c.Host},
		{Key: "data_dir", Value: c.Data},
		{Key: "timezone", Value: c.Timezone.String()},
		{Key: "tags", Value: c.Tags},
		{Key: "agent", Value: yaml.MapSlice{
			{Key: "every", Value: durationText(c.Agent.Every)},
			{Key: "exclude", Value: yaml.MapSlice{
				{Key: "fstypes", Value: c.Agent.Exclude.Fstypes}, {Key: "paths", Value: append([]string{}, c.Agent.Exclude.Paths...)},
			}},
		}},
		{Key: "planner", Value: planner},
		{Key: "archives", Value: archivesYAML(c.Archives)},
		{Key: "policies", Value: policiesYAML(c.Policies)},
		{Key: "holds", Value: holdsYAML(c.Holds)},
		{Key: "tiering", Value: yaml.MapSlice{
			{Key: "pause_above", Value: percentText(c.Tiering.PauseAbove)}, {Key: "verify", Value: verifyYAML(c.Tiering.Verify)},
		}},
	}
	if x := c.Influx; x != nil {
		all = append(all, yaml.MapItem{Key: "influx", Value: yaml.MapSlice{
			{Key: "url", Value: x.URL},
			{Key: "org", Value: x.Org},
			{Key: "bucket", Value: x.Bucket},
			{Key: "forecast_bucket", Value: x.ForecastBucket},
			{Key: "token_file", Value: x.TokenFile},
			{Key: "ca_file", Value: x.CAFile},
		}})
	}
	text, err := yaml.Marshal(all)
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	from := "# no file was read: these are the defaults\n"
	if c.File != "" {
		from = fmt.Sprintf("# %s, with every default\n", strings.ReplaceAll(c.File, "\n", " "))
	}
	_, err = io.WriteString(w, from+string(text))
	return err
}

func overridesYAML(overrides []Override) []yaml.MapSlice {
	var all []yaml.MapSlice
	for _, o := range overrides {
		one := yaml.MapSlice{{Key: "match", Value: o.Match}}
		if o.FullLevel != 0 {
			one = append(one, yaml.MapItem{Key: "full_level", Value: percentText(o.FullLevel)})
		}
		if o.Owner != "" {
			one = append(one, yaml.MapItem{Key: "owner", Value: o.Owner})
		}
		all = append(all, one)
	}
	return all
}

func archivesYAML(archives []Archive) yaml.MapSlice {
	all := yaml.MapSlice{}
	for _, a := range archives {
		all = append(all, yaml.MapItem{Key: a.Name, Value: yaml.MapSlice{
			{Key: "path", Value: a.Path}, {Key: "min_free", Value: percentText(a.MinFree)},
		}})
	}
	return all
}

func policiesYAML(policies []Policy) []yaml.MapSlice {
	all := []yaml.MapSlice{}
	for _, p := range policies {
		start, stop := yaml.MapSlice{}, yaml.MapSlice{}
		if p.Start.Above != 0 {
			start = append(start, yaml.MapItem{Key: "above", Value: percentText(p.Start.Above)})
		}
		if p.Start.FullWithin != 0 {
			start = append(start, yaml.MapItem{Key: "full_within", Value: durationText(p.Start.FullWithin)})
		}
		if p.Stop.Below != 0 {
			stop = append(stop, yaml.MapItem{Key: "below", Value: percentText(p.Stop.Below)})
		}
		all = append(all, yaml.MapSlice{
			{Key: "name", Value: p.Name},
			{Key: "volume", Value: p.Volume},
			{Key: "archive", Value: p.Archive},
			{Key: "schedule", Value: p.Schedule.Value},
			{Key: "where", Value: p.Where.Value},
			{Key: "exclude", Value: p.Exclude},
			{Key: "start", Value: start},
			{Key: "stop", Value: stop},
			{Key: "order", Value: p.Order},
			{Key: "leave", Value: p.Leave},
			{Key: "keep_recalled", Value: durationText(p.KeepRecalled)},
			{Key: "limit", Value: limitYAML(p.Limit)},
			{Key: "enforce", Value: p.Enforce},
			{Key: "exported_links", Value: p.ExportedLinks},
		})
	}
	return all
}

// limitYAML leaves out what is not limited: there is no number that says so.
func limitYAML(l Limit) yaml.MapSlice {
	all := yaml.MapSlice{}
	if l.Bytes != 0 {
		all = append(all, yaml.MapItem{Key: "bytes", Value: sizeText(l.Bytes)})
	}
	if l.Files != 0 {
		all = append(all, yaml.MapItem{Key: "files", Value: l.Files})
	}
	if l.Bandwidth != 0 {
		all = append(all, yaml.MapItem{Key: "bandwidth", Value: sizeText(l.Bandwidth) + "/s"})
	}
	if w := l.Window.String(); w != "" {
		all = append(all, yaml.MapItem{Key: "window", Value: w})
	}
	return all
}

func holdsYAML(holds []Hold) []yaml.MapSlice {
	all := []yaml.MapSlice{}
	for _, h := range holds {
		all = append(all, yaml.MapSlice{{Key: "case", Value: h.Case}, {Key: "paths", Value: h.Paths}})
	}
	return all
}

func verifyYAML(v Verify) yaml.MapSlice {
	all := yaml.MapSlice{{Key: "schedule", Value: v.Schedule.Value}, {Key: "time", Value: durationText(v.Time)}}
	if v.Bytes != 0 {
		all = append(all, yaml.MapItem{Key: "bytes", Value: sizeText(v.Bytes)})
	}
	return all
}

func percentText(share float64) string { return fmt.Sprintf("%.10g%%", share*100) }

func durationText(d time.Duration) string { return model.Duration(d).String() }
