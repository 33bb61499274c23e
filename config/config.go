// Package config reads tidemark.yaml into typed, validated values. No file at all is a valid configuration. All problems of a
// file are reported at once, each with its position and field path.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// DefaultPath is read when no other file is named and it exists.
const DefaultPath = "/etc/tidemark/tidemark.yaml"

// Config is the whole configuration, every default filled in.
type Config struct {
	File     string // where it was read; empty for the defaults alone
	Host     string // the configured name, or the hostname
	Data     string // the configured data_dir; empty: see DataDir
	Timezone *time.Location
	Tags     map[string]string
	Influx   *Influx // nil: not configured
	Agent    Agent
	Planner  Planner
	Archives []Archive // in the order of the file, as the policies and holds are
	Policies []Policy  // their volumes are apart from one another and from the archives
	Holds    []Hold
	Tiering  Tiering
}

// Influx says where a fleet comes together.
type Influx struct {
	URL            string
	Org            string
	Bucket         string
	ForecastBucket string // Bucket + "_forecast" by default
	TokenFile      string // absolute; empty: no token
	CAFile         string // absolute; empty: the system's
}

// Agent is the sampling of a host.
type Agent struct {
	Every   time.Duration
	Exclude Exclude
}

// Exclude says which mounts are no volumes. A list that is given replaces the default one.
type Exclude struct {
	Fstypes []string
	Paths   []string // globs; ** crosses directories
}

// Planner is what forecasts take for granted.
type Planner struct {
	FullLevel float64       // the share of usable space that counts as full, within (0, 1]
	LeadTime  time.Duration // from order to installed
	Horizon   time.Duration
	Volumes   []Override // the first that matches wins
}

// Override is what holds for some volumes only.
type Override struct {
	Match     string  // a glob over host:path
	FullLevel float64 // 0: the planner's
	Owner     string
}

// Settings are what holds for one volume.
type Settings struct {
	FullLevel float64
	Owner     string
}

// ignoredFstypes are Telegraf's: not disks, or read-only by nature.
var ignoredFstypes = []string{"tmpfs", "devtmpfs", "devfs", "iso9660", "overlay", "aufs", "squashfs"}

const day = 24 * time.Hour

// Default is the configuration without a file. Host stays empty.
func Default() *Config {
	return &Config{
		Timezone: time.UTC,
		Tags:     map[string]string{},
		Agent:    Agent{Every: time.Minute, Exclude: Exclude{Fstypes: append([]string(nil), ignoredFstypes...)}},
		Planner:  Planner{FullLevel: .95, LeadTime: 45 * day, Horizon: 365 * day},
		Tiering:  defaultTiering(),
	}
}

// Load reads the file that is named, else $TIDEMARK_CONFIG, else DefaultPath where it exists, else nothing. A file that
// was named must be readable. Problems of its content, and those that checks find in it, are an *Error.
func Load(path string, getenv func(string) string, checks ...Check) (*Config, error) {
	named := path
	if named == "" {
		named = getenv("TIDEMARK_CONFIG")
	}
	c := Default()
	if named == "" {
		named = DefaultPath
		if _, err := os.Stat(named); errors.Is(err, fs.ErrNotExist) {
			named = ""
		}
	}
	if named != "" {
		data, err := readBounded(named)
		if err != nil {
			return nil, &Error{[]Problem{{File: named, Message: fmt.Sprintf("cannot be read: %v", errors.Unwrap(err))}}}
		}
		if c, err = Parse(named, data, checks...); err != nil {
			return nil, err
		}
		c.resolve(filepath.Dir(named), getenv)
	}
	if c.Host == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("ask for the hostname (set host: in the configuration): %w", err)
		}
		c.Host = host
	}
	return c, nil
}

// largestFile bounds what is read of a file that is no configuration: a device, or a history named by mistake.
const largestFile = 1 << 20

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, largestFile+1))
	if err == nil && len(data) > largestFile {
		err = &fs.PathError{Op: "read", Path: name, Err: errors.New("it is larger than 1 MiB, which no configuration is")}
	}
	return data, err
}

// resolve makes the paths of secrets absolute: a name without a directory is a systemd credential where there is one, else
// it stands beside the configuration.
func (c *Config) resolve(dir string, getenv func(string) string) {
	if c.Influx == nil {
		return
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	for _, path := range []*string{&c.Influx.TokenFile, &c.Influx.CAFile} {
		if *path == "" || filepath.IsAbs(*path) {
			continue
		}
		if credentials := getenv("CREDENTIALS_DIRECTORY"); credentials != "" {
			if _, err := os.Stat(filepath.Join(credentials, *path)); err == nil {
				*path = filepath.Join(credentials, *path)
				continue
			}
		}
		*path = filepath.Join(dir, *path)
	}
}

// For is what holds for one volume.
func (p Planner) For(host, path string) Settings {
	s := Settings{FullLevel: p.FullLevel}
	for _, o := range p.Volumes {
		if !matches(o.Match, host+":"+path) {
			continue
		}
		if o.FullLevel != 0 {
			s.FullLevel = o.FullLevel
		}
		s.Owner = o.Owner
		break
	}
	return s
}
