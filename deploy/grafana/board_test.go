package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/tidemark/tidemark/internal/influxtest"
	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/tiering"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/selection"
)

func TestMain(m *testing.M) { os.Exit(influxtest.Main(m)) }

// shipped is a board: its uid is its file's name.
type shipped struct {
	uid, to   string // to: how its time range ends
	variables []string
	columns   func(query string) []string // that the test of a query looks at
}

func allShipped() []shipped {
	return []shipped{
		{
			"tidemark-fleet", "now+90d", // else no forecast would show
			[]string{"datasource", "bucket", "forecast_bucket", "host", "volume_host", "volume_path"},
			func(query string) []string { return expectations[query].columns },
		},
		{
			"tidemark-tiering", "now",
			[]string{"datasource", "bucket", "host", "policy", "archive"},
			func(query string) []string { return tieringExpectations[query].columns },
		},
	}
}

// board is what the tests read of a classic dashboard.
type board struct {
	UID        string
	Editable   bool
	Time       struct{ From, To string }
	Templating struct{ List []variable }
	Panels     []panel
}

type variable struct {
	Name, Label, Type, Query, Definition, Description, AllValue string

	Datasource source
	Multi      bool
	IncludeAll bool
}

type source struct{ Type, UID string }

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               source
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct {
		Defaults  map[string]any
		Overrides []override
	}
	Targets []struct {
		RefID, Query string
		Datasource   source
	}
	Transformations []struct {
		ID      string
		Options struct{ IndexByName map[string]int }
	}
}

type override struct {
	Matcher    struct{ ID, Options string }
	Properties []struct {
		ID    string
		Value any
	}
}

func (o override) has(property string) bool {
	return slices.ContainsFunc(o.Properties, func(p struct {
		ID    string
		Value any
	},
	) bool {
		return p.ID == property
	})
}

func read(t *testing.T, uid string) (board, []byte) {
	t.Helper()
	b, err := os.ReadFile("dashboards/" + uid + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var d board
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d, b
}

// queries returns the board's queries by name: "<panel title>/<ref>" and "$<variable>".
func (d board) queries() map[string]string {
	found := map[string]string{}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			found[p.Title+"/"+q.RefID] = q.Query
		}
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			found["$"+v.Name] = v.Query
		}
	}
	return found
}

// model is the data model: the fields and tags of each measurement.
func model() map[string][]string {
	identity := []string{"host", "path"}
	planned := append([]string{"resource"}, identity...)
	m := map[string][]string{
		"tidemark_forecast": append([]string{"used", "lower", "upper", "made"}, planned...),
		"tidemark_outlook": append([]string{
			"growth_per_day", "p10_days", "p50_days", "p90_days", "prob_7d", "prob_30d", "prob_90d", "full_level", "backtest_mase",
			"method", "reason",
		}, planned...),
	}
	points := []line.Point{
		line.DiskPoint(volume.Sample{}), line.VolumePoint(volume.Sample{}),
		tiering.RunPoint(selection.Plan{}, catalog.Run{}, nil), tiering.ArchivePoint(tiering.ArchiveUse{OldestCheck: now}, nil, now),
	}
	points = append(points, tiering.AgePoints(volume.ID{}, []tiering.AgeBucket{{}}, nil, now)...)
	points = append(points, tiering.EligiblePoints(volume.ID{}, "", []tiering.Eligible{{}}, nil, now)...)
	for _, p := range points {
		for _, f := range p.Fields {
			m[p.Measurement] = append(m[p.Measurement], f.Key)
		}
		m[p.Measurement] = append(slices.AppendSeq(m[p.Measurement], maps.Keys(p.Tags)), identity...)
	}
	return m
}

var (
	measurementNames = regexp.MustCompile(`r\._measurement == "([^"]*)"`)
	fieldNames       = regexp.MustCompile(`r\._field == "([^"]*)"`)
	columnNames      = regexp.MustCompile(`\br\.([a-zA-Z]\w*)`)
	// What Flux 0.65 lacks or 2.x reads otherwise: the board runs on both.
	unportable = regexp.MustCompile(`import "(array|date|timezone|influxdata/influxdb/schema|experimental[^"]*)"|findRecord|interpolate|\d[eE]\d|quantile\(`)
)

func TestQueriesKeepToTheDataModel(t *testing.T) {
	for _, b := range allShipped() {
		t.Run(b.uid, func(t *testing.T) {
			d, _ := read(t, b.uid)
			keepsToTheDataModel(t, d)
		})
	}
}

func keepsToTheDataModel(t *testing.T, d board) {
	t.Helper()
	known := model()
	made := []string{"row", "checked", "_value"} // columns that queries make, or every one has
	for name, query := range d.queries() {
		var allowed []string
		for _, m := range measurementNames.FindAllStringSubmatch(query, -1) {
			fields, ok := known[m[1]]
			if !ok {
				t.Errorf("%s: nobody writes the measurement %q", name, m[1])
			}
			allowed = append(allowed, fields...)
		}
		if len(allowed) == 0 {
			t.Errorf("%s names no measurement", name)
		}
		for _, f := range slices.Concat(fieldNames.FindAllStringSubmatch(query, -1), columnNames.FindAllStringSubmatch(query, -1)) {
			if !slices.Contains(allowed, f[1]) && !slices.Contains(made, f[1]) {
				t.Errorf("%s: its measurements have no field or tag %q", name, f[1])
			}
		}
		for _, v := range []string{"host", "policy", "archive"} {
			if strings.Count(query, "${"+v) != strings.Count(query, "r."+v+" =~ /^(?:${"+v+":regex})$/") {
				t.Errorf("%s: %s must be matched whole", name, v)
			}
		}
		if found := unportable.FindString(query); found != "" {
			t.Errorf("%s: %s does not run on every InfluxDB", name, found)
		}
		if fixed := regexp.MustCompile(`bucket: "[^$]`).FindString(query); fixed != "" {
			t.Errorf("%s names a bucket, not the variable", name)
		}
	}
}

func TestBoardsAreWellFormed(t *testing.T) {
	for _, b := range allShipped() {
		t.Run(b.uid, func(t *testing.T) {
			d, raw := read(t, b.uid)
			b.isWellFormed(t, d, raw)
			b.hasItsVariables(t, d)
			b.hasItsPanels(t, d)
		})
	}
}

func (b shipped) isWellFormed(t *testing.T, d board, raw []byte) {
	t.Helper()
	var top map[string]any
	if err := json.Unmarshal(raw, &top); err != nil {
		t.Fatal(err)
	}
	known := []string{
		"annotations", "description", "editable", "fiscalYearStartMonth", "graphTooltip", "id", "links", "liveNow", "panels", "refresh",
		"schemaVersion", "tags", "templating", "time", "timepicker", "timezone", "title", "uid", "version", "weekStart",
	}
	for key := range top {
		if !slices.Contains(known, key) {
			t.Errorf("a dashboard has no field %q", key)
		}
	}
	if top["id"] != nil {
		t.Error("a provisioned board has no id: Grafana gives one")
	}
	if d.UID != b.uid {
		t.Errorf("uid is %q: links to the board break when it changes", d.UID)
	}
	if d.Time.To != b.to {
		t.Errorf("the time range ends at %q, want %q", d.Time.To, b.to)
	}
	if fixed := regexp.MustCompile(`"uid": "[^"]*"`).FindAll(raw, -1); len(fixed) == 0 {
		t.Error("no data source")
	} else {
		for _, f := range fixed {
			if !bytes.Equal(f, []byte(`"uid": "${datasource}"`)) && !bytes.Equal(f, fmt.Appendf(nil, `"uid": %q`, b.uid)) {
				t.Errorf("%s: the data source must be the variable", f)
			}
		}
	}
}

func (b shipped) hasItsVariables(t *testing.T, d board) {
	t.Helper()
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name)
		if v.Label == "" || v.Description == "" {
			t.Errorf("variable %s: label and description must say what it is", v.Name)
		}
		if v.Type == "query" && (v.Query != v.Definition || v.Datasource != (source{"influxdb", "${datasource}"})) {
			t.Errorf("variable %s: query and definition must be the same, on the variable data source", v.Name)
		}
		if several := []string{"host", "policy", "archive"}; slices.Contains(several, v.Name) && (!v.Multi || !v.IncludeAll || v.AllValue != ".*") {
			t.Errorf("variable %s must take several, and all", v.Name)
		}
		if v.Name == "datasource" && (v.Type != "datasource" || v.Query != "influxdb") {
			t.Error("variable datasource must offer the InfluxDB data sources")
		}
	}
	if !slices.Equal(names, b.variables) {
		t.Errorf("variables %q, want %q (each after those it uses)", names, b.variables)
	}
}

func (b shipped) hasItsPanels(t *testing.T, d board) {
	t.Helper()
	ids := map[int]string{}
	for i, p := range d.Panels {
		if other, taken := ids[p.ID]; taken || p.ID <= 0 {
			t.Errorf("panel %q: id %d is taken by %q or not positive", p.Title, p.ID, other)
		}
		ids[p.ID] = p.Title
		p.check(t, b.columns)
		if p.GridPos.W <= 0 || p.GridPos.H <= 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q does not fit the grid: %+v", p.Title, p.GridPos)
		}
		for _, q := range d.Panels[:i] {
			a, b := p.GridPos, q.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %q and %q overlap", p.Title, q.Title)
			}
		}
	}
}

// check looks at what every panel must have: texts, data source, units, thresholds, and overrides that meet a column.
func (p panel) check(t *testing.T, of func(query string) []string) {
	t.Helper()
	if p.Title == "" || p.Description == "" {
		t.Errorf("panel %d: title and description must say what it shows", p.ID)
	}
	if len(p.Targets) == 0 {
		t.Errorf("panel %q has no query", p.Title)
	}
	var columns []string
	for _, q := range p.Targets {
		if p.Datasource != (source{"influxdb", "${datasource}"}) || q.Datasource != p.Datasource {
			t.Errorf("panel %q: the data source must be the variable", p.Title)
		}
		columns = append(columns, of(p.Title+"/"+q.RefID)...)
	}
	for _, o := range p.FieldConfig.Overrides {
		if o.Matcher.ID != "byName" || !slices.Contains(columns, o.Matcher.Options) {
			t.Errorf("panel %q: no column %q for the override", p.Title, o.Matcher.Options)
		}
	}
	if p.Type != "table" {
		if p.FieldConfig.Defaults["unit"] == nil || p.FieldConfig.Defaults["thresholds"] == nil {
			t.Errorf("panel %q has no unit or no thresholds", p.Title)
		}
		return
	}
	texts := []string{"host", "path", "policy", "archive", "reason"}
	for _, c := range columns {
		i := slices.IndexFunc(p.FieldConfig.Overrides, func(o override) bool { return o.Matcher.Options == c })
		if i < 0 || !p.FieldConfig.Overrides[i].has("displayName") {
			t.Errorf("panel %q: column %s has no name for people", p.Title, c)
		} else if !slices.Contains(texts, c) && !p.FieldConfig.Overrides[i].has("unit") {
			t.Errorf("panel %q: column %s has no unit", p.Title, c)
		}
	}
	if len(p.Transformations) != 1 || p.Transformations[0].ID != "organize" {
		t.Fatalf("panel %q: one transformation must put the columns in order", p.Title)
	}
	order := slices.Sorted(maps.Keys(p.Transformations[0].Options.IndexByName))
	if slices.Sort(columns); !slices.Equal(order, columns) {
		t.Errorf("panel %q puts %q in order, but its columns are %q", p.Title, order, columns)
	}
}

func TestProvisioningMeetsTheBoard(t *testing.T) {
	load := func(file string, into any) {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalWithOptions(b, into, yaml.Strict()); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	var boards struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Folder, Type    string
			FolderUID             string `yaml:"folderUid"`
			OrgID                 int    `yaml:"orgId"`
			DisableDeletion       bool   `yaml:"disableDeletion"`
			AllowUIUpdates        *bool  `yaml:"allowUiUpdates"`
			UpdateIntervalSeconds int    `yaml:"updateIntervalSeconds"`
			Options               struct{ Path string }
		}
	}
	load("provisioning/dashboards/tidemark.yaml", &boards)
	if boards.APIVersion != 1 || len(boards.Providers) != 1 {
		t.Fatalf("one provider of version 1 is expected: %+v", boards)
	}
	if p := boards.Providers[0]; p.Type != "file" || p.AllowUIUpdates == nil || *p.AllowUIUpdates || p.Options.Path == "" {
		t.Errorf("the provider must read files and allow no edits: %+v", p)
	}
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			Editable                     bool
			JSONData                     map[string]string `yaml:"jsonData"`
			SecureJSONData               map[string]string `yaml:"secureJsonData"`
		}
	}
	load("provisioning/datasources/tidemark.yaml", &sources)
	if sources.APIVersion != 1 || len(sources.Datasources) != 1 {
		t.Fatalf("one data source of version 1 is expected: %+v", sources)
	}
	s := sources.Datasources[0]
	if s.Type != "influxdb" || s.Access != "proxy" || s.JSONData["version"] != "Flux" || s.Editable {
		t.Errorf("the data source must be InfluxDB by Flux through Grafana: %+v", s)
	}
	if !strings.HasPrefix(s.SecureJSONData["token"], "$__env{") || s.JSONData["token"] != "" {
		t.Error("the token must come from the environment, as secureJsonData")
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var panels []panel
	for _, b := range allShipped() {
		d, _ := read(t, b.uid)
		panels = append(panels, d.Panels...)
	}
	for _, p := range panels {
		if title := strings.ReplaceAll(p.Title, "${volume_host}:${volume_path}", "…"); !bytes.Contains(readme, fmt.Appendf(nil, "| %s |", title)) {
			t.Errorf("the README does not say what the panel %q uses", title)
		}
	}
	if !bytes.Contains(readme, []byte(boards.Providers[0].Options.Path)) {
		t.Errorf("the README does not name %s, where the boards go", boards.Providers[0].Options.Path)
	}
}
