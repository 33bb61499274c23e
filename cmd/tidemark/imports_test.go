package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tidemark/tidemark"

// arrows is who may import whom within the project (docs/ARCHITECTURE.md draws it). A package that is not listed fails the
// test, and so does an import that is not. Tests may import what they test and the testing packages (mayTest).
var arrows = map[string][]string{
	"cmd/tidemark": {
		"agent", "agent/hostdisk", "agent/shipper", "config", "internal/fsys", "internal/history", "internal/influx",
		"internal/ledger", "internal/line", "internal/outbox", "internal/table", "internal/volume", "planner", "planner/backtest",
		"planner/csvinput", "planner/forecast", "planner/ledger", "planner/report", "tiering", "tiering/archive",
		"tiering/catalog", "tiering/mover", "tiering/policy", "tiering/report", "tiering/selection",
	},
	"cmd/evaluate":     {"planner/csvinput", "planner/forecast"},
	"config":           {},
	"agent":            {"internal/line", "internal/volume"},
	"agent/hostdisk":   {"internal/line", "internal/volume"},
	"agent/shipper":    {"internal/influx", "internal/outbox"},
	"planner":          {"internal/line", "internal/volume", "planner/csvinput", "planner/forecast"},
	"planner/backtest": {"internal/volume", "planner", "planner/forecast"},
	"planner/csvinput": {"planner/forecast"},
	"planner/forecast": {},
	"planner/ledger":   {"internal/volume", "planner", "planner/backtest", "planner/forecast"},
	"planner/report":   {"internal/table", "internal/volume", "planner", "planner/backtest", "planner/forecast", "planner/ledger"},
	"tiering/policy":   {"internal/fsys"},
	"tiering/scan":     {"internal/fsys", "tiering/policy"},
	"tiering": {
		"internal/fsys", "internal/line", "internal/volume", "tiering/archive", "tiering/catalog", "tiering/mover",
		"tiering/policy", "tiering/scan", "tiering/selection",
	},
	"tiering/mover":        {"internal/fsys", "tiering/archive", "tiering/catalog", "tiering/digest", "tiering/selection"},
	"tiering/report":       {"internal/table", "tiering", "tiering/catalog", "tiering/mover", "tiering/scan", "tiering/selection"},
	"internal/table":       {},
	"tiering/selection":    {"internal/fsys", "tiering/policy", "tiering/scan"},
	"internal/volume":      {},
	"internal/line":        {"internal/volume"},
	"internal/sqlite":      {},
	"internal/outbox":      {"internal/sqlite"},
	"internal/history":     {"internal/outbox", "internal/sqlite", "internal/volume"},
	"internal/influx":      {"internal/line", "internal/volume"},
	"internal/historytest": {"internal/line", "internal/volume", "planner"},
	"internal/ledger":      {"internal/sqlite", "internal/volume"},
	"internal/ledgertest":  {"internal/volume", "planner/ledger"},
	"internal/influxtest":  {},
	"internal/mounttest":   {},
	"internal/volumetest":  {},
	"internal/fsys":        {},
	"internal/fsys/crash":  {"internal/fsys"},
	"internal/fsys/fault":  {"internal/fsys"},
	"tiering/archive":      {"internal/fsys", "tiering/catalog", "tiering/digest"},
	"tiering/catalog":      {"internal/fsys", "internal/sqlite"},
	"tiering/digest":       {},
	"deploy/grafana":       {},
	"deploy/systemd":       {},
}

// mayTest are the packages that only tests may import.
var mayTest = []string{
	"internal/fsys/crash", "internal/fsys/fault", "internal/historytest", "internal/influxtest", "internal/ledgertest", "internal/mounttest",
	"internal/fsys/crash", "internal/fsys/fault", "internal/historytest", "internal/influxtest", "internal/mounttest",
	"internal/volumetest",
}

// onlyIn names, for libraries that touch the world, the one package that imports them.
var onlyIn = map[string]string{
	"github.com/shirou/gopsutil/":              "agent/hostdisk",
	"github.com/influxdata/influxdb-client-go": "internal/influx",
	"github.com/urfave/cli/":                   "cmd/tidemark",
	"modernc.org/sqlite":                       "internal/sqlite",
	"github.com/influxdata/line-protocol/":     "internal/line",
	"github.com/goccy/go-yaml":                 "config",
	"github.com/expr-lang/expr":                "tiering/policy",
	"github.com/robfig/cron/":                  "tiering",
}

type goPackage struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func TestImportTable(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	seen := 0
	for {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		allowed, listed := arrows[name]
		if !listed {
			t.Errorf("package %s is not in the import table: list it here and in docs/ARCHITECTURE.md", name)
			continue
		}
		for _, path := range p.Imports {
			ours, isOurs := strings.CutPrefix(path, module+"/")
			if isOurs && !slices.Contains(allowed, ours) {
				t.Errorf("%s may not import %s", name, ours)
			}
			if isOurs && slices.Contains(mayTest, ours) && !slices.Contains(mayTest, name) {
				t.Errorf("%s imports %s, which is for tests", name, ours)
			}
			for library, owner := range onlyIn {
				if strings.HasPrefix(path, library) && name != owner {
					t.Errorf("%s imports %s, which only %s may", name, path, owner)
				}
			}
			if name == "internal/volume" && strings.Contains(strings.Split(path, "/")[0], ".") {
				t.Errorf("internal/volume imports %s; it stands on the standard library alone", path)
			}
		}
	}
	if seen < 10 {
		t.Errorf("go list named %d packages; the table was not checked", seen)
	}
}
