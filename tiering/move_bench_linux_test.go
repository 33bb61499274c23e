package tiering

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/mover"
	"github.com/tidemark/tidemark/tiering/selection"
)

// benchPlace is a hot volume full of files and an archive volume, on real filesystems.
type benchPlace struct {
	b                *testing.B
	hot, cold, state string
	files            int
	size             int64
}

func newBenchPlace(b *testing.B, files int, size int64) *benchPlace {
	mounttest.RequireRoot(b)
	need := int64(files)*(size>>10)/1024 + 600
	p := &benchPlace{
		b: b, hot: mounttest.Mount(b, mounttest.Image(b, "ext4", need*13/10)), cold: mounttest.Mount(b, mounttest.Image(b, "xfs", 2*need+600)),
		state: b.TempDir(), files: files, size: size,
	}
	p.fill(files, size)
	return p
}

// fill makes the files, a hundred in a directory.
func (p *benchPlace) fill(files int, size int64) {
	random := rand.NewChaCha8([32]byte{1})
	content := make([]byte, size)
	for i := range files {
		dir := filepath.Join(p.hot, "tree", fmt.Sprintf("d%03d", i/100))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			p.b.Fatal(err)
		}
		random.Read(content[:min(size, 1<<20)])
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%05d", i)), content, 0o644); err != nil {
			p.b.Fatal(err)
		}
	}
}

func (p *benchPlace) items() (items []selection.Item) {
	filepath.WalkDir(filepath.Join(p.hot, "tree"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			p.b.Fatal(err)
		}
		items = append(items, selection.Item{
			Path: path, Dev: st.Dev, Ino: st.Ino, Size: st.Size, Allocated: st.Blocks * 512, Reason: "cold",
			Mtime: fsys.Time{Sec: st.Mtim.Sec, Nsec: int32(st.Mtim.Nsec)}, Ctime: fsys.Time{Sec: st.Ctim.Sec, Nsec: int32(st.Ctim.Nsec)},
		})
		return nil
	})
	return items
}

// quiet starts every measurement from the same state: everything written, the source's data in the page cache.
func (p *benchPlace) quiet() {
	syscall.Sync()
	p.command("sh", "-c", "cat "+p.hot+"/tree/*/* > /dev/null")
}

func (p *benchPlace) command(name string, args ...string) time.Duration {
	start := time.Now()
	cmd := exec.Command(name, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.b.Fatalf("%s: %v\n%s", name, err, out)
	}
	return time.Since(start)
}

// clear empties the archive volume.
func (p *benchPlace) clear() {
	p.command("chattr", "-R", "-f", "-i", p.cold)
	p.command("sh", "-c", "rm -rf "+p.cold+"/* "+p.cold+"/.tidemark "+p.state+"/*")
	syscall.Sync()
}

func (p *benchPlace) cp() time.Duration {
	p.quiet()
	d := p.command("sh", "-c", fmt.Sprintf("cp -a %s/tree %s/copy && sync -f %s", p.hot, p.cold, p.cold))
	p.clear()
	return d
}

func (p *benchPlace) rsync() time.Duration {
	p.quiet()
	d := p.command("rsync", "-aHAX", "--fsync", p.hot+"/tree", p.cold)
	p.clear()
	return d
}

// move is ours: archive, verify and catalog, and the release if that is asked for.
func (p *benchPlace) move(release bool) time.Duration {
	ctx := context.Background()
	items := p.items()
	a, err := archive.Init(fsys.Host{}, p.cold, "vault", "h", time.Now())
	if err != nil {
		p.b.Fatal(err)
	}
	c, err := catalog.Open(ctx, filepath.Join(p.state, "tiering", "catalog.db"))
	if err != nil {
		p.b.Fatal(err)
	}
	e := New(Options{Host: "h", FS: fsys.Host{}, Catalog: c, Now: time.Now, Sleep: sleep})
	m, err := e.moverFor(p.hot, a, func(o *mover.Options) { o.Leave = catalog.LeaveLink })
	if err != nil {
		p.b.Fatal(err)
	}
	r := &runner{e: e, archive: a, mover: m, onlyArchive: !release, batchFiles: mostBatchFiles}
	p.quiet()
	start := time.Now()
	r.moveAll(ctx, items)
	d := time.Since(start)
	if r.failed != nil || len(r.report.Failed)+len(r.report.Skipped) > 0 || r.report.FilesArchived != int64(len(items)) {
		p.b.Fatalf("%v %+v", r.failed, r.report)
	}
	m.Close()
	a.Close()
	c.Close()
	return d
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// beside measures ours and the others in turn, five times each, and reports the ratios of the medians.
func (p *benchPlace) beside(release bool, others ...string) {
	all := map[string][]time.Duration{}
	for range 5 {
		for _, name := range others {
			switch name {
			case "cp":
				all[name] = append(all[name], p.cp())
			case "rsync":
				all[name] = append(all[name], p.rsync())
			}
		}
		all["ours"] = append(all["ours"], p.move(release))
		p.clear()
		if release {
			p.command("rm", "-rf", p.hot+"/tree")
			p.fill(p.files, p.size)
		}
	}
	ours := median(all["ours"])
	p.b.ReportMetric(ours.Seconds(), "s")
	p.b.ReportMetric(0, "ns/op")
	for _, name := range others {
		p.b.ReportMetric(median(all[name]).Seconds(), name+"-s")
		p.b.ReportMetric(float64(ours)/float64(median(all[name])), "x-"+name)
	}
	p.b.Log(all)
}

// BenchmarkArchive is archive, verify and catalog beside cp -a and a sync.
func BenchmarkArchive(b *testing.B) {
	b.Run("20000x64KiB", func(b *testing.B) { newBenchPlace(b, 20000, 64<<10).beside(false, "cp") })
	b.Run("8x512MiB", func(b *testing.B) { newBenchPlace(b, 8, 512<<20).beside(false, "cp") })
}

// BenchmarkRelease is the whole way, with the release, beside cp -a and a sync, and rsync with an fsync for each file.
func BenchmarkRelease(b *testing.B) {
	b.Run("20000x64KiB", func(b *testing.B) { newBenchPlace(b, 20000, 64<<10).beside(true, "cp", "rsync") })
}
