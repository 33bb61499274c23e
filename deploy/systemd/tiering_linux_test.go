package systemd

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// standIn does within the unit's restrictions what the service will do, and what it must not be able to.
const standIn = `#!/bin/bash
set -eu
touch /srv/data/copy
chown 4321:4321 /srv/data/copy
chmod 2640 /srv/data/copy
chattr +i /srv/data/copy
chattr -i /srv/data/copy
ln -sf /mnt/vault/copy /srv/data/link
mkdir -p /home/somebody
touch /home/somebody/file
echo "$(ionice -p $$)" >/var/lib/tidemark/tiering/priority
cat /proc/1/mountinfo >/dev/null
for kept in /usr /etc /boot /sys/kernel /proc/sys/vm/drop_caches; do
  if touch "$kept/tidemark" 2>/dev/null || echo 1 2>/dev/null >"$kept"; then echo "$kept could be written"; exit 1; fi
done
if mount -t tmpfs none /mnt 2>/dev/null; then echo "it could mount"; exit 1; fi
systemd-notify --ready
exec sleep 1000
`

// TestTieringUnitUnderSystemd starts the unit as it is shipped with a program that stands in for the daemon.
func TestTieringUnitUnderSystemd(t *testing.T) {
	t.Parallel()
	requireSystemd(t)
	l := newLab(t)
	m := l.boot(t)
	m.write(t, "/usr/bin/tierd", standIn, 0o755)
	dropIn := m.path("/etc/tidemark-units/tidemark-tiering.service.d")
	if err := os.MkdirAll(dropIn, 0o755); err != nil {
		t.Fatal(err)
	}
	// systemd-notify is not the main process.
	text := "[Service]\nExecStart=\nExecStart=/usr/bin/tierd\nNotifyAccess=all\n"
	if err := os.WriteFile(filepath.Join(dropIn, "stand-in.conf"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	m.systemctl(t, true, "daemon-reload")

	m.systemctl(t, true, "start", "tidemark-tiering.service")
	m.wantRoots(t, "/var/lib/tidemark/tiering", os.ModeDir|0o700)
	if got, err := os.ReadFile(m.path("/var/lib/tidemark/tiering/priority")); err != nil || strings.TrimSpace(string(got)) != "idle" {
		t.Errorf("its priority is %q, %v", got, err)
	}
	// The agent comes second, and again: what is its user's must not take what is root's along.
	for range 2 {
		m.systemctl(t, true, "start", "tidemark-agent.service")
		m.checkState(t)
		m.wantRoots(t, "/var/lib/tidemark/tiering", os.ModeDir|0o700)
		m.wantRoots(t, "/var/lib/tidemark/tiering/priority", 0o600)
		m.systemctl(t, true, "stop", "tidemark-agent.service", "tidemark-tiering.service")
		m.systemctl(t, true, "start", "tidemark-tiering.service")
	}
	m.checkState(t)
	m.systemctl(t, true, "stop", "tidemark-tiering.service")
}

const tieringConfig = `host: lab
archives:
  vault: {path: /mnt/vault}
policies:
  - {name: cold, volume: /srv/hot, archive: vault, schedule: "0 0 1 1 *", where: size > 0, enforce: true, exclude: ["**/lost+found/**"]}
`

// TestTierdUnderSystemd starts the daemon itself, then lets its unit run a policy and recall what it moved, behind the same restrictions.
func TestTierdUnderSystemd(t *testing.T) {
	t.Parallel()
	requireSystemd(t)
	l := newLab(t)
	m := l.boot(t)
	m.mountAt(t, "/srv/hot", 16)
	m.mountAt(t, "/mnt/vault", 16)
	m.write(t, "/etc/tidemark/tidemark.yaml", tieringConfig, 0o644)
	file := m.path("/srv/hot/film.mp4")
	m.write(t, "/srv/hot/film.mp4", "all of it", 0o600)
	m.run(t, "chown", "4321:4322", "/srv/hot/film.mp4")
	m.run(t, "chmod", "2750", "/srv/hot/film.mp4")
	m.run(t, "setfattr", "-n", "user.camera", "-v", "14", "/srv/hot/film.mp4")
	before := m.run(t, "getfacl", "-n", "/srv/hot/film.mp4") + m.run(t, "getfattr", "-d", "/srv/hot/film.mp4")
	m.run(t, "tidemark", "archive", "init", "vault")

	m.systemctl(t, true, "start", "tidemark-tiering.service")
	m.wantRoots(t, "/var/lib/tidemark/tiering", os.ModeDir|0o700)
	m.systemctl(t, true, "stop", "tidemark-tiering.service")
	m.systemctl(t, false, "is-failed", "tidemark-tiering.service")

	m.once(t, "tidemark policy run cold")
	if target, err := os.Readlink(file); err != nil || target != "/mnt/vault/data/lab/srv/hot/film.mp4" {
		t.Fatalf("the link leads to %q, %v\n%s", target, err, m.logs())
	}
	m.once(t, "tidemark archive recall /srv/hot/film.mp4")
	if after := m.run(t, "getfacl", "-n", "/srv/hot/film.mp4") + m.run(t, "getfattr", "-d", "/srv/hot/film.mp4"); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "all of it" {
		t.Errorf("recalled: %q, %v\n%s", text, err, m.logs())
	}
}

// once lets the tiering unit do one thing instead of its service.
func (m machine) once(t *testing.T, command string) {
	t.Helper()
	dropIn := m.path("/etc/tidemark-units/tidemark-tiering.service.d")
	if err := os.MkdirAll(dropIn, 0o755); err != nil {
		t.Fatal(err)
	}
	text := "[Service]\nType=oneshot\nRestart=no\nExecStart=\nExecStart=/usr/bin/" + command + "\n"
	if err := os.WriteFile(filepath.Join(dropIn, "once.conf"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	m.systemctl(t, true, "daemon-reload")
	m.systemctl(t, true, "start", "tidemark-tiering.service")
}

func (m machine) wantRoots(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	info, err := os.Stat(m.path(path))
	if err != nil {
		t.Errorf("%v\n%s", err, m.logs())
	} else if s := info.Sys().(*syscall.Stat_t); info.Mode() != mode || s.Uid != 0 || s.Gid != 0 {
		t.Errorf("%s has mode %v and owner %d:%d, want %v and root's", path, info.Mode(), s.Uid, s.Gid, mode)
	}
}
