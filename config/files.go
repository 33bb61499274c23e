package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Token reads the token from its file; it is empty where no file is named. A file that others may read, that is
// empty or that has several lines is an error that says what to do.
func (i Influx) Token() (string, error) {
	if i.TokenFile == "" {
		return "", nil
	}
	f, err := os.OpenFile(i.TokenFile, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a FIFO would wait for its writer
	if err != nil {
		return "", fmt.Errorf("influx.token_file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("influx.token_file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > 64<<10 {
		return "", fmt.Errorf("influx.token_file: %s is no file with a token", i.TokenFile)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("influx.token_file: others may read %s (mode %04o); run: chmod o= %s", i.TokenFile, info.Mode().Perm(), i.TokenFile)
	}
	text := make([]byte, info.Size())
	n, err := f.Read(text)
	if err != nil && n == 0 && info.Size() > 0 {
		return "", fmt.Errorf("influx.token_file: %w", err)
	}
	token := strings.TrimSpace(string(text[:n]))
	switch {
	case token == "":
		return "", fmt.Errorf("influx.token_file: %s is empty", i.TokenFile)
	case strings.ContainsAny(token, "\r\n"):
		return "", fmt.Errorf("influx.token_file: %s has several lines; it must hold the token alone", i.TokenFile)
	}
	return token, nil
}

const systemData = "/var/lib/tidemark"

// DataDir is where state is kept: the configured directory, else /var/lib/tidemark where this process can write it (or,
// for a reader, read it), else $XDG_STATE_HOME/tidemark. A writer's directory is made. A configured one that cannot be
// used is an error, and so is one on a network filesystem, where SQLite's locks and shared memory do not hold.
func (c *Config) DataDir(writing bool, getenv func(string) string) (string, error) {
	if c.Data != "" {
		if err := usable(c.Data, writing); err != nil {
			return "", fmt.Errorf("data_dir: %w", err)
		}
		return c.Data, nil
	}
	if usable(systemData, writing) == nil {
		if _, err := os.Stat(systemData); err == nil {
			return systemData, nil
		}
	}
	state := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			if !writing {
				return systemData, nil
			}
			return "", fmt.Errorf("find a place for state (set data_dir: in the configuration): %w", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	dir := filepath.Join(state, "tidemark")
	if err := usable(dir, writing); err != nil {
		return "", fmt.Errorf("neither %s nor the fallback can be used (set data_dir: in the configuration): %w", systemData, err)
	}
	return dir, nil
}

// makeStateDir makes a directory that its group may write, whatever the umask: reading a database in WAL mode takes that.
func makeStateDir(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o770); err != nil {
		return err
	}
	return os.Chmod(dir, 0o770|fs.ModeSetgid)
}

// usable makes a writer's directory and says what keeps it from being used. A reader's may be absent: then there is no
// state yet.
func usable(dir string, writing bool) error {
	if writing {
		if err := makeStateDir(dir); err != nil {
			return err
		}
		probe, err := os.CreateTemp(dir, ".probe-")
		if err != nil {
			return fmt.Errorf("%s cannot be written: %w", dir, errors.Unwrap(err))
		}
		probe.Close()
		if err := os.Remove(probe.Name()); err != nil {
			return err
		}
	} else if _, err := os.ReadDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s cannot be read (members of the group tidemark may): %w", dir, errors.Unwrap(err))
	}
	if kind := networkFilesystem(dir); kind != "" {
		return fmt.Errorf("%s is on %s; choose a directory on a local disk", dir, kind)
	}
	return nil
}
