package influxtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The server that is built when none is given: the last 1.8, pure Go and so buildable wherever Tidemark is.
const (
	builtVersion = "v1.8.10"
	builtPackage = "github.com/influxdata/influxdb/cmd/influxd@" + builtVersion
	buildTimeout = 10 * time.Minute
)

// binary returns the path of the influxd to run: TIDEMARK_TEST_INFLUXD, or the one in the cache, built on first use.
func binary() (string, error) {
	if given := os.Getenv("TIDEMARK_TEST_INFLUXD"); given != "" {
		return exec.LookPath(given)
	}
	cache := os.Getenv("TIDEMARK_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a cache directory (set TIDEMARK_CACHE): %w", err)
		}
		cache = filepath.Join(user, "tidemark")
	}
	dir := filepath.Join(cache, "influxd-"+strings.TrimPrefix(builtVersion, "v"))
	path := filepath.Join(dir, "influxd")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return "", fmt.Errorf("lock %s: %w", dir, err)
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil // another test package built it meanwhile
	}
	return path, build(dir, path)
}

// build installs influxd into a directory of its own inside dir and renames it to path, so that path is whole or absent.
func build(dir, path string) error {
	gobin, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(gobin)
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "install", builtPackage)
	cmd.Dir = gobin // outside any module and workspace
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains([]string{"GOFLAGS", "GOBIN", "GOOS", "GOARCH", "GOWORK", "GO111MODULE", "CGO_ENABLED"}, name)
	})
	cmd.Env = append(cmd.Env, "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOBIN="+gobin)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build InfluxDB for the tests (go install %s): %w\n%s", builtPackage, err, output.Bytes())
	}
	return os.Rename(filepath.Join(gobin, "influxd"), path)
}

// lock waits for the exclusive lock of the file, which ends with the process at the latest.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil
}
