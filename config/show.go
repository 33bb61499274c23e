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

func percentText(share float64) string { return fmt.Sprintf("%.10g%%", share*100) }

func durationText(d time.Duration) string { return model.Duration(d).String() }
