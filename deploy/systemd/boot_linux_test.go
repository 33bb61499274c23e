package systemd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influxtest"
	"github.com/tidemark/tidemark/internal/mounttest"
)

func TestMain(m *testing.M) { os.Exit(influxtest.Main(m)) }

// units copies the units that are shipped, and stubs of what they name: sysinit.target of the host would bring in services
// that clean and configure a whole machine.
func (l lab) units(t *testing.T) {
	t.Helper()
	put := func(name, text string) {
		path := filepath.Join(l.dir, "units", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"lab", "sysinit", "basic", "shutdown", "local-fs", "network-online", "multi-user", "timers"} {
		put(name+".target", "[Unit]\nDescription=lab\nDefaultDependencies=no\n")
	}
	for _, name := range append(glob(t, "*.service"), glob(t, "*.timer")...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		put(name, string(text))
	}
	// There is no journal in the lab.
	for _, name := range []string{"agent", "planner", "tiering"} {
		put("tidemark-"+name+".service.d/log.conf", "[Service]\nStandardOutput=append:/run/"+name+".log\nStandardError=append:/run/"+name+".log\n")
	}
	sysusers, err := os.ReadFile("tidemark.sysusers")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.dir, "tidemark.sysusers"), sysusers, 0o644); err != nil {
		t.Fatal(err)
	}
}

// machine is a systemd that runs.
type machine struct {
	pid    int
	output *bytes.Buffer
}

func (l lab) boot(t *testing.T) machine {
	t.Helper()
	mounttest.RequireFilesystem(t, "overlay")
	mounttest.RequireFilesystem(t, "cgroup2")
	l.units(t)
	group := controlGroup(t)
	conn, address := notifySocket(t)
	script, err := filepath.Abs("testdata/boot.sh")
	if err != nil {
		t.Fatal(err)
	}
	m := machine{output: &bytes.Buffer{}}
	cmd := exec.Command(script, l.dir)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+address)
	cmd.Stdout, cmd.Stderr = m.output, m.output
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:   syscall.SIGKILL,
		UseCgroupFD: true, CgroupFD: int(group.Fd()),
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.pid = cmd.Process.Pid
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended); conn.Close() }() // so that nobody waits for a systemd that has died
	t.Cleanup(func() {
		cmd.Process.Kill() // the first process of its namespace takes all others along
		<-ended
		if t.Failed() {
			t.Logf("systemd said:\n%s", m.output)
		}
	})
	waitFor(t, conn, "READY=1")
	return m
}

// controlGroup makes a group for the machine, which goes with the test.
func controlGroup(t *testing.T) *os.File {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\S+ \S+ \S+ / (\S+) .* - cgroup2 `).FindSubmatch(mounts)
	at := ""
	if found != nil {
		at = string(found[1])
	} else {
		at = mounttest.Mount(t, "-t", "cgroup2", "none")
	}
	dir, err := os.MkdirTemp(at, "tidemark-test-")
	if err != nil {
		t.Fatal(err)
	}
	group, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		group.Close()
		exec.Command("find", dir, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run() // rmdir is all that a group allows
	})
	return group
}

// path is where a file of the machine is for us.
func (m machine) path(name string) string { return fmt.Sprintf("/proc/%d/root%s", m.pid, name) }

func (m machine) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(m.path(name), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// systemctl runs in the machine; with ok it must succeed.
func (m machine) systemctl(t *testing.T, ok bool, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	args = append([]string{"--target", strconv.Itoa(m.pid), "--mount", "--pid", "--ipc", "--uts", "--cgroup", "systemctl", "--no-pager"}, args...)
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.WaitDelay = time.Second // nsenter's child may hold the output open
	out, err := cmd.CombinedOutput()
	if (err == nil) != ok {
		t.Fatalf("systemctl %v: %v\n%s\n%s", args[9:], err, out, m.logs())
	}
	return string(out)
}

// mountAt mounts a new ext4 filesystem of so many MiB, as an administrator would while the machine runs.
func (m machine) mountAt(t *testing.T, dir string, sizeMiB int64) {
	t.Helper()
	image, err := os.ReadFile(mounttest.Image(t, "ext4", sizeMiB))
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, dir+".img", string(image), 0o600)
	if err := os.Mkdir(m.path(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	m.run(t, "mount", "-o", "loop", dir+".img", dir)
}

// run runs a program in the machine.
func (m machine) run(t *testing.T, args ...string) string {
	t.Helper()
	return mounttest.Run(t, "nsenter", append([]string{"--target", strconv.Itoa(m.pid), "--mount"}, args...)...)
}

func (m machine) logs() string {
	var all strings.Builder
	for _, name := range []string{"agent", "planner", "tiering"} {
		text, _ := os.ReadFile(m.path("/run/" + name + ".log"))
		fmt.Fprintf(&all, "%s:\n%s\n", name, text)
	}
	return all.String()
}

// TestUnitsUnderSystemd starts the units as they are shipped: every restriction holds, the system call filter included.
func TestUnitsUnderSystemd(t *testing.T) {
	t.Parallel()
	requireSystemd(t)
	l := newLab(t)
	server := influxtest.Shared(t)
	written, front := frontOf(t, server.URL)
	m := l.boot(t)

	t.Run("without a configuration or a token", func(t *testing.T) {
		m.systemctl(t, true, "start", "tidemark-agent.service")
		m.systemctl(t, true, "stop", "tidemark-agent.service")
		if got := m.systemctl(t, true, "show", "-P", "Result", "tidemark-agent.service"); got != "success\n" {
			t.Errorf("stopped with %s\n%s", got, m.logs())
		}
		m.checkState(t)
	})

	t.Run("a bad configuration keeps it from starting", func(t *testing.T) {
		m.write(t, "/etc/tidemark/tidemark.yaml", "agent: {evry: 1m}\n", 0o644)
		m.systemctl(t, false, "start", "tidemark-agent.service")
		if !strings.Contains(m.logs(), "agent.evry") {
			t.Errorf("the log does not name what is wrong:\n%s", m.logs())
		}
		m.systemctl(t, true, "stop", "tidemark-agent.service")
	})

	bucket, forecasts := server.Bucket(t), server.Bucket(t)
	m.write(t, "/etc/tidemark/tidemark.yaml", fmt.Sprintf(
		"host: lab\nagent: {every: 1s}\ninflux: {url: %q, org: %q, bucket: %s, forecast_bucket: %s, token_file: influx.token}\n",
		front, server.Org, bucket, forecasts), 0o644)

	t.Run("a token that is wanted and missing", func(t *testing.T) {
		m.systemctl(t, false, "start", "tidemark-agent.service")
		if !strings.Contains(m.logs(), "influx.token is empty") {
			t.Errorf("the log does not say that the token is missing:\n%s", m.logs())
		}
		m.systemctl(t, true, "stop", "tidemark-agent.service")
	})

	token := server.Token
	if token == "" {
		token = "any"
	}
	m.write(t, "/etc/tidemark/influx.token", token, 0o600) // root's own: it gets to the service as a credential

	t.Run("the agent ships while a filesystem hangs", func(t *testing.T) { m.shipWhileOneHangs(t, written) })

	t.Run("the planner writes", func(t *testing.T) {
		m.systemctl(t, true, "start", "tidemark-planner.service")
		if got := server.Flux(t, fmt.Sprintf(`from(bucket: %q) |> range(start: 0, stop: 2200-01-01T00:00:00Z) |> filter(fn: (r) => r._measurement == "tidemark_outlook")`, forecasts)); !strings.Contains(got, "/srv/data") {
			t.Errorf("no outlook was written:\n%s\n%s", got, m.logs())
		}
		m.systemctl(t, true, "start", "tidemark-planner.timer")
	})
}

// checkState wants the state to be the group's, and nobody else's.
func (m machine) checkState(t *testing.T) {
	t.Helper()
	modes := map[string]os.FileMode{
		"/var/lib/tidemark": os.ModeDir | os.ModeSetgid | 0o770, "/var/lib/tidemark/agent": os.ModeDir | os.ModeSetgid | 0o770,
		"/var/lib/tidemark/agent/history.db": 0o660,
	}
	for path, want := range modes {
		info, err := os.Stat(m.path(path))
		if err != nil {
			t.Errorf("%v\n%s", err, m.logs())
		} else if info.Mode() != want || info.Sys().(*syscall.Stat_t).Uid == 0 || info.Sys().(*syscall.Stat_t).Gid == 0 {
			t.Errorf("%s has mode %v and owner %+v, want %v and tidemark's", path, info.Mode(), info.Sys(), want)
		}
	}
}

func (m machine) shipWhileOneHangs(t *testing.T, written chan string) {
	m.systemctl(t, true, "start", "tidemark-agent.service")
	var lines string
	for ; !strings.Contains(lines, "disk,"); lines = receive(t, written, m) {
	}
	m.mountAt(t, "/srv/later", 8)
	for later := ""; !strings.Contains(later, "mode=rw,path=/srv/later "); later = receive(t, written, m) {
	}
	m.systemctl(t, true, "stop", "tidemark-agent.service")
	checkShipped(t, lines, m)
	if got := m.systemctl(t, true, "show", "-P", "NRestarts", "tidemark-agent.service"); got != "0\n" {
		t.Errorf("restarted %s times", got)
	}
}

func checkShipped(t *testing.T, lines string, m machine) {
	t.Helper()
	for what, pattern := range map[string]string{
		"a volume that is writable, though everything is read-only for the service": `(?m)^disk,device=loop\d+,fstype=ext4,host=lab,mode=rw,path=/srv/data `,
		"the hung one": `(?m)^tidemark_volume,host=lab,path=/srv/hung .*stuck=1i`,
		"counters":     `(?m)^diskio,`,
		"the agent":    `(?m)^tidemark_agent,host=lab `,
	} {
		if !regexp.MustCompile(pattern).MatchString(lines) {
			t.Errorf("%s was not shipped; lines:\n%s\n%s", what, lines, m.logs())
		}
	}
}

// frontOf passes requests on and hands over the body of every write that was acknowledged.
func frontOf(t *testing.T, server string) (written chan string, front string) {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	written = make(chan string, 1000)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v2/write" {
			proxy.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
		written <- string(body)
	})}
	go s.Serve(listener)
	t.Cleanup(func() { s.Close() })
	return written, "http://" + listener.Addr().String()
}

func receive(t *testing.T, written chan string, m machine) string {
	t.Helper()
	select {
	case lines := <-written:
		return lines
	case <-time.After(deadline):
		t.Fatalf("nothing was shipped\n%s", m.logs())
		return ""
	}
}
