// Package report renders outlooks: tables for people, JSON and CSV for programs, the answer of a Nagios plugin. Tables fit
// 80 columns and read the same in a pipe and on a terminal.
package report

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"
	"unicode/utf8"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

// number is a float64 that JSON shows as null where it is not known.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// when is a time that JSON shows in RFC 3339 UTC, or as null where there is none.
type when time.Time

func (t when) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(time.Time(t).UTC().Truncate(time.Second).Format(time.RFC3339))
}

type forecastJSON struct {
	Series       string          `json:"series"`
	Host         string          `json:"host,omitempty"`
	Path         string          `json:"path,omitempty"`
	PathB64      string          `json:"path_b64,omitempty"`
	Owner        string          `json:"owner,omitempty"`
	Resource     volume.Resource `json:"resource"`
	Unit         string          `json:"unit"`
	Origin       when            `json:"origin"`
	Step         int64           `json:"step"`
	Used         number          `json:"used"`
	Capacity     number          `json:"capacity"`
	FullLevel    float64         `json:"full_level"`
	Method       string          `json:"method"`
	Models       []modelJSON     `json:"models"`
	Reason       string          `json:"reason"`
	GrowthPerDay number          `json:"growth_per_day"`
	Backtest     backtestJSON    `json:"backtest"`
	Points       []pointJSON     `json:"points"`
	TimeToFull   timeToFullJSON  `json:"time_to_full"`
	Events       []eventJSON     `json:"events"`
}

type eventJSON struct {
	Kind   string   `json:"kind"`
	From   when     `json:"from"`
	To     when     `json:"to"`
	Change number   `json:"change"`
	Period int64    `json:"period,omitempty"` // seconds
	Low    *float64 `json:"low,omitempty"`
	High   *float64 `json:"high,omitempty"`
}

func toEventJSON(e forecast.Event) eventJSON {
	j := eventJSON{Kind: string(e.Kind), From: when(e.From), To: when(e.To), Change: number(e.Change)}
	if e.Kind == forecast.EventSawtooth {
		j.Period, j.Low, j.High = int64(e.Period/time.Second), &e.Low, &e.High
	}
	return j
}

type modelJSON struct {
	Model string  `json:"model"`
	Share float64 `json:"share"`
}

type backtestJSON struct {
	Origins     int    `json:"origins"`
	Steps       int    `json:"steps"`
	MASE        number `json:"mase"`
	RelativeMAE number `json:"relative_mae"`
	Coverage    number `json:"coverage"`
	Bias        number `json:"bias"`
}

type pointJSON struct {
	Time     when   `json:"time"`
	Forecast number `json:"forecast"`
	Lower    number `json:"lower"`
	Upper    number `json:"upper"`
}

type timeToFullJSON struct {
	P10         when            `json:"p10"`
	P50         when            `json:"p50"`
	P90         when            `json:"p90"`
	Probability probabilityJSON `json:"probability"`
	Reason      string          `json:"reason"`
}

type probabilityJSON struct {
	Days7  number `json:"7d"`
	Days30 number `json:"30d"`
	Days90 number `json:"90d"`
}

func toForecastJSON(o planner.Outlook) forecastJSON {
	f := forecastJSON{
		Series: o.Series, Host: o.Volume.Host, Path: o.Volume.Path, PathB64: pathB64(o.Volume.Path), Owner: o.Owner,
		Resource: o.Resource, Unit: o.Unit, Origin: when(o.Origin), Step: int64(o.Step / time.Second),
		Used: number(o.Used), Capacity: number(o.Capacity), FullLevel: o.FullLevel,
		Method: o.Method, Models: []modelJSON{}, Reason: string(o.Reason), GrowthPerDay: number(o.GrowthPerDay),
		Backtest:   toBacktestJSON(o),
		Points:     make([]pointJSON, len(o.Points)),
		TimeToFull: toTimeToFullJSON(o),
		Events:     make([]eventJSON, len(o.Events)),
	}
	for i, e := range o.Events {
		f.Events[i] = toEventJSON(e)
	}
	for _, w := range o.Weights {
		f.Models = append(f.Models, modelJSON(w))
	}
	for i, p := range o.Points {
		f.Points[i] = pointJSON{when(p.Time), number(p.Forecast), number(p.Lower), number(p.Upper)}
	}
	return f
}

func toBacktestJSON(o planner.Outlook) backtestJSON {
	b := o.Backtest
	return backtestJSON{b.Origins, b.Steps, number(b.MASE), number(b.RelativeMAE), number(b.Coverage), number(b.Bias)}
}

func toTimeToFullJSON(o planner.Outlook) timeToFullJSON {
	t := o.TimeToFull
	return timeToFullJSON{
		when(t.P10), when(t.P50), when(t.P90),
		probabilityJSON{number(t.Probability7), number(t.Probability30), number(t.Probability90)},
		string(t.Reason),
	}
}

func pathB64(path string) string {
	if utf8.ValidString(path) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(path))
}

type volumeJSON struct {
	Host              string            `json:"host"`
	Path              string            `json:"path"`
	PathB64           string            `json:"path_b64,omitempty"`
	Device            string            `json:"device"`
	Fstype            string            `json:"fstype"`
	Mode              string            `json:"mode"`
	Label             string            `json:"label"`
	Tags              map[string]string `json:"tags"`
	Owner             string            `json:"owner,omitempty"`
	Time              when              `json:"time"`
	Resource          volume.Resource   `json:"resource"`
	Total             int64             `json:"total"`
	Free              int64             `json:"free"`
	Used              int64             `json:"used"`
	UsedPercent       float64           `json:"used_percent"`
	InodesTotal       int64             `json:"inodes_total"`
	InodesFree        int64             `json:"inodes_free"`
	InodesUsed        int64             `json:"inodes_used"`
	InodesUsedPercent float64           `json:"inodes_used_percent"`
	Reserved          int64             `json:"reserved"`
	ReadOnly          bool              `json:"readonly"`
	Stuck             bool              `json:"stuck"`
	Missing           bool              `json:"missing"`
	GrowthPerDay      number            `json:"growth_per_day"`
	Backtest          backtestJSON      `json:"backtest"`
	TimeToFull        timeToFullJSON    `json:"time_to_full"`
}

func toVolumeJSON(o planner.Outlook) volumeJSON {
	s := o.Sample
	tags := s.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	return volumeJSON{
		Host: s.Host, Path: s.Path, PathB64: pathB64(s.Path), Device: s.Device, Fstype: s.Fstype, Mode: s.Mode, Label: s.Label,
		Tags: tags, Owner: o.Owner, Time: when(s.Time), Resource: o.Resource, Total: s.Total, Free: s.Free, Used: s.Used, UsedPercent: s.UsedPercent(),
		InodesTotal: s.InodesTotal, InodesFree: s.InodesFree, InodesUsed: s.InodesUsed, InodesUsedPercent: s.InodesUsedPercent(),
		Reserved: s.Reserved, ReadOnly: s.ReadOnly(), Stuck: s.Stuck, Missing: s.Missing,
		GrowthPerDay: number(o.GrowthPerDay), Backtest: toBacktestJSON(o), TimeToFull: toTimeToFullJSON(o),
	}
}

// JSON writes a list under one key, an element at a time, so that a fleet's outlooks need not be held in memory.
type JSON struct {
	w       io.Writer
	key     string
	element func(planner.Outlook) any
	n       int
}

// NewForecastsJSON begins `{"forecasts":[…]}`.
func NewForecastsJSON(w io.Writer) *JSON {
	return &JSON{w: w, key: "forecasts", element: func(o planner.Outlook) any { return toForecastJSON(o) }}
}

// NewVolumesJSON begins `{"volumes":[…]}`, one element a volume and resource.
func NewVolumesJSON(w io.Writer) *JSON {
	return &JSON{w: w, key: "volumes", element: func(o planner.Outlook) any { return toVolumeJSON(o) }}
}

// Add writes one outlook.
func (j *JSON) Add(o planner.Outlook) error {
	text, err := json.Marshal(j.element(o))
	if err != nil {
		return fmt.Errorf("write %s as JSON: %w", o.Series, err)
	}
	before := ",\n"
	if j.n == 0 {
		before = fmt.Sprintf("{%q:[\n", j.key)
	}
	j.n++
	_, err = fmt.Fprintf(j.w, "%s%s", before, text)
	return err
}

// Close ends the document; without any outlook it is an empty list.
func (j *JSON) Close() error {
	end := "\n]}\n"
	if j.n == 0 {
		end = fmt.Sprintf("{%q:[]}\n", j.key)
	}
	_, err := io.WriteString(j.w, end)
	return err
}
