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

func (m machine) wantRoots(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	info, err := os.Stat(m.path(path))
	if err != nil {
		t.Errorf("%v\n%s", err, m.logs())
	} else if s := info.Sys().(*syscall.Stat_t); info.Mode() != mode || s.Uid != 0 || s.Gid != 0 {
		t.Errorf("%s has mode %v and owner %d:%d, want %v and root's", path, info.Mode(), s.Uid, s.Gid, mode)
	}
}
