package influx_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influx"
	"github.com/tidemark/tidemark/internal/influxtest"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
)

var _ planner.History = (*influx.History)(nil)

var (
	day0     = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	everyone volume.Selector
)

// telegraf is a line as Telegraf's disk plugin writes it, with a tag of the site's own.
func telegraf(host, path, device string, at time.Time, used, free int64) string {
	escape := strings.NewReplacer(" ", `\ `, ",", `\,`, "=", `\=`).Replace
	return fmt.Sprintf("disk,cluster=east,device=%s,fstype=ext4,host=%s,label=data,mode=rw,path=%s "+
		"total=%di,free=%di,used=%di,used_percent=%g,inodes_total=100i,inodes_free=%di,inodes_used=%di,inodes_used_percent=50 %d",
		device, escape(host), escape(path), used+free+5, free, used, float64(used)/float64(used+free)*100, 100-used, used, at.Unix())
}

func gather(t *testing.T, h *influx.History, sel volume.Selector, from, to time.Time) []volume.DaySeries {
	t.Helper()
	var all []volume.DaySeries
	for s, err := range h.Days(t.Context(), sel, from, to) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func TestBucketThatOnlyTelegrafWrote(t *testing.T) {
	s := influxtest.Shared(t)
	bucket := s.Bucket(t)
	h := clientOf(t, s, s.URL).History(bucket)
	s.Write(t, bucket,
		telegraf("b", "/", "sda1", day0.Add(time.Hour), 10, 90),
		telegraf("a", "/srv", "sdb1", day0.Add(30*time.Hour), 31, 69),
		telegraf("a", "/srv", "sdc1", day0.Add(31*time.Hour), 30, 60), // moved to another device within the day
		telegraf("a", "/srv", "sdb1", day0.Add(time.Hour), 20, 80),
		telegraf("a", "/", "sda1", day0.Add(49*time.Hour), 40, 60), // the unfinished day
		"disk,host=a used=1i 1772330400",                           // without a path it is no volume
		"cpu,host=c usage_idle=1 1772330400",
	)
	now := day0.Add(50 * time.Hour)
	samples, err := h.Newest(t.Context(), everyone, day0, day0.AddDate(100, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range samples {
		ids = append(ids, s.String())
	}
	if want := []string{"a:/", "a:/srv", "b:/"}; !slices.Equal(ids, want) {
		t.Fatalf("Newest has %q, want %q", ids, want)
	}
	srv := samples[1]
	if srv.Time != day0.Add(31*time.Hour) || srv.Used != 30 || srv.Free != 60 || srv.Total != 95 || srv.InodesUsed != 30 || srv.InodesFree != 70 ||
		srv.Attributes != (volume.Attributes{Device: "sdc1", Fstype: "ext4", Mode: "rw", Label: "data"}) ||
		!maps.Equal(srv.Tags, map[string]string{"cluster": "east"}) || srv.State != (volume.State{}) {
		t.Errorf("Newest of a:/srv = %+v", srv)
	}
	days := gather(t, h, everyone, day0, now)
	want := []volume.DaySeries{
		{ID: volume.ID{Host: "a", Path: "/srv"}, Days: []volume.Day{
			{Start: day0, Usage: volume.Usage{Total: 105, Free: 80, Used: 20, InodesTotal: 100, InodesFree: 80, InodesUsed: 20}},
			{Start: day0.Add(24 * time.Hour), Usage: volume.Usage{Total: 105, Free: 60, Used: 31, InodesTotal: 100, InodesFree: 69, InodesUsed: 31}},
		}},
		{ID: volume.ID{Host: "b", Path: "/"}, Days: []volume.Day{
			{Start: day0, Usage: volume.Usage{Total: 105, Free: 90, Used: 10, InodesTotal: 100, InodesFree: 90, InodesUsed: 10}},
		}},
	}
	if !reflect.DeepEqual(days, want) {
		t.Errorf("Days =\n%#v, want\n%#v", days, want)
	}
	if got := gather(t, h, volume.Selector{Path: "/srv"}, day0, now); !reflect.DeepEqual(got, want[:1]) {
		t.Errorf("Days of /srv on any host =\n%#v, want\n%#v", got, want[:1])
	}
	readings, err := h.Readings(t.Context(), volume.ID{Host: "a", Path: "/srv"}, day0, now)
	if err != nil || len(readings) != 3 || readings[0].Used != 20 || readings[1].Used != 31 || readings[2].Used != 30 || readings[2].Time != day0.Add(31*time.Hour) {
		t.Errorf("Readings = %v %v", readings, err)
	}
}

func TestStuckVolumeKeepsItsLastReading(t *testing.T) {
	s := influxtest.Shared(t)
	bucket := s.Bucket(t)
	h := clientOf(t, s, s.URL).History(bucket)
	state := func(path string, at time.Time, stuck, missing int) string {
		return fmt.Sprintf("tidemark_volume,host=a,path=%s reserved=5i,readonly=0i,stuck=%di,missing=%di %d", path, stuck, missing, at.Unix())
	}
	later := day0.Add(240 * time.Hour)
	s.Write(t, bucket,
		telegraf("a", "/nfs", "srv", day0, 10, 90), state("/nfs", day0, 0, 0), state("/nfs", later, 1, 0),
		state("/never", later, 1, 0),
		telegraf("a", "/ok", "sda", later, 10, 90), state("/ok", later, 0, 0),
		telegraf("a", "/gone", "sda", day0, 10, 90), state("/gone", later, 0, 1),
		telegraf("a", "/old", "sda", day0, 10, 90), state("/old", day0, 0, 0),
		state("/back", day0, 1, 0), telegraf("a", "/back", "sda", later, 10, 90),
	)
	samples, err := h.Newest(t.Context(), everyone, later, day0.AddDate(100, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range samples {
		got = append(got, fmt.Sprintf("%s %s used %d reserved %d device %q stuck %t missing %t", s.Path, s.Time.Format(time.DateOnly), s.Used, s.Reserved, s.Device, s.Stuck, s.Missing))
	}
	want := []string{
		`/back 2026-03-11 used 10 reserved 0 device "sda" stuck false missing false`,
		`/gone 2026-03-11 used 10 reserved 5 device "sda" stuck false missing true`,
		`/never 2026-03-11 used 0 reserved 5 device "" stuck true missing false`,
		`/nfs 2026-03-11 used 10 reserved 5 device "srv" stuck true missing false`,
		`/ok 2026-03-11 used 10 reserved 5 device "sda" stuck false missing false`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("Newest =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNamesCannotBreakOutOfAQuery(t *testing.T) {
	s := influxtest.Shared(t)
	bucket := s.Bucket(t)
	h := clientOf(t, s, s.URL).History(bucket)
	paths := []string{
		`/a "quoted"`, `/a ${bucket}`, `/a $x $`, `/a\b`, `/a") |> yield(name: "x") //`, "/ä日本", "/latin\xe9\xff", "/latin\xe8\xff", `/a,b=c d`, "/%s{}",
	}
	hosts := []string{"h", `od"d ${host}`, "h\xe9", "h\xe8"}
	at := day0.Add(time.Hour)
	used := func(i, j int) int64 { return int64(len(hosts)*i + j) }
	for i, p := range paths {
		for j, host := range hosts {
			s.Write(t, bucket, telegraf(host, p, "sda", at, used(i, j), 100))
		}
	}
	for i, p := range paths {
		for j, host := range hosts {
			id := volume.ID{Host: host, Path: p}
			readings, err := h.Readings(t.Context(), id, day0, day0.Add(24*time.Hour))
			if err != nil || len(readings) != 1 || readings[0].Used != used(i, j) {
				t.Errorf("Readings of %q = %v %v", id, readings, err)
			}
			days := gather(t, h, volume.Selector{Host: host, Path: p}, day0, day0.Add(24*time.Hour))
			if len(days) != 1 || days[0].ID != id || days[0].Days[0].Used != used(i, j) {
				t.Errorf("Days of %q = %v", id, days)
			}
			samples, err := h.Newest(t.Context(), volume.Selector{Host: host, Path: p}, day0, day0.AddDate(100, 0, 0))
			if err != nil || len(samples) != 1 || samples[0].ID != id {
				t.Errorf("Newest of %q = %v %v", id, samples, err)
			}
		}
	}
	if got := len(gather(t, h, everyone, day0, day0.Add(24*time.Hour))); got != len(hosts)*len(paths) {
		t.Errorf("Days of all are %d series, want %d", got, len(hosts)*len(paths))
	}
}

func TestDaysStopsWhenTheCallerHasEnough(t *testing.T) {
	s := influxtest.Shared(t)
	bucket := s.Bucket(t)
	h := clientOf(t, s, s.URL).History(bucket)
	s.Write(t, bucket, telegraf("a", "/", "sda", day0, 1, 2), telegraf("a", "/b", "sda", day0, 1, 2), telegraf("b", "/", "sda", day0, 1, 2))
	n := 0
	for _, err := range h.Days(t.Context(), everyone, day0, day0.Add(24*time.Hour)) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d series, want 1", n)
	}
}

func TestReadErrors(t *testing.T) {
	s := influxtest.Shared(t)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "authorization failed", http.StatusUnauthorized)
	}))
	defer refusing.Close()
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		fmt.Fprint(w, "#datatype,string,long,string\r\n#group,false,false,false\r\n#default,_result,,\r\n,result,table,_value\r\n,,0,a\r\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer cut.Close()
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>welcome") }))
	defer portal.Close()
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	for _, tc := range []struct {
		name, url string
		status    int
		words     string
	}{
		{"missing bucket", s.URL, -1, `create the bucket "nothing_here"`},
		{"unauthorised", refusing.URL, 401, "influx.token_file"},
		{"a cut answer", cut.URL, 0, "unexpected EOF"},
		{"a page in place of an answer", portal.URL, 0, "text/csv"},
		{"unreachable", down.URL, 0, "see whether the server runs"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newClient(t, influx.Options{URL: tc.url, Org: s.Org, Token: s.Token}).History("nothing_here")
			want := tc.status
			if want < 0 {
				want = 500 // 1.8
				if s.V2 {
					want = 404
				}
			}
			_, err := h.Newest(t.Context(), everyone, day0, day0.AddDate(100, 0, 0))
			wantError(t, err, want, tc.words, tc.url)
			_, err = h.Readings(t.Context(), volume.ID{Host: "a", Path: "/"}, day0, day0.Add(time.Hour))
			wantError(t, err, want, tc.words)
			n := 0
			for _, e := range h.Days(t.Context(), everyone, day0, day0.Add(24*time.Hour)) {
				err = e
				n++
			}
			wantError(t, err, want, tc.words)
			if n != 1 {
				t.Errorf("%d errors, want one", n)
			}
		})
	}
}

func TestEmptyRanges(t *testing.T) {
	s := influxtest.Shared(t)
	h := clientOf(t, s, s.URL).History(s.Bucket(t))
	if got := gather(t, h, everyone, day0.Add(time.Hour), day0.Add(25*time.Hour)); got != nil {
		t.Errorf("Days = %v", got)
	}
	if got := gather(t, h, everyone, time.Time{}, day0.AddDate(500, 0, 0)); got != nil {
		t.Errorf("Days = %v", got)
	}
	if got, err := h.Readings(t.Context(), volume.ID{Host: "a", Path: "/"}, day0, day0); got != nil || err != nil {
		t.Errorf("Readings = %v %v", got, err)
	}
	if got, err := h.Newest(t.Context(), everyone, time.Time{}, day0.AddDate(100, 0, 0)); got != nil || err != nil {
		t.Errorf("Newest = %v %v", got, err)
	}
}

func TestReleasesAreWhatRunsFreed(t *testing.T) {
	s := influxtest.Shared(t)
	bucket := s.Bucket(t)
	h := clientOf(t, s, s.URL).History(bucket)
	run := func(host, path, policy string, at time.Time, bytes int64) string {
		return fmt.Sprintf("tidemark_run,archive=vault,host=%s,path=%s,policy=%s bytes_archived=99i,bytes_released=%di,triggered=true %d", host, path, policy, bytes, at.Unix())
	}
	s.Write(t, bucket,
		run("b", "/srv/video", "cold", day0.Add(26*time.Hour), 7), run("a", "/srv", "cold", day0.Add(30*time.Hour), 5), run("a", "/srv", "logs", day0.Add(2*time.Hour), 3),
		run("a", "/srv", "cold", day0.Add(3*time.Hour), 0), // it freed nothing
		run("a", "/srv", "cold", day0.Add(-time.Hour), 9), run("a", "/srv", "cold", day0.Add(48*time.Hour), 9),
		"tidemark_run,host=a,policy=idle bytes_released=4i 1772330400", // without a path it is no volume's
		fmt.Sprintf("tidemark_run,host=c,path=/srv,policy=cold bytes_released=0i,inodes_released=6i,files_released=6i %d", day0.Add(5*time.Hour).Unix()),
		fmt.Sprintf("tidemark_recall,host=a,path=/srv bytes_recalled=2i,inodes_recalled=1i %d", day0.Add(31*time.Hour).Unix()),
		fmt.Sprintf("tidemark_recall,host=b,path=/srv bytes_recalled=0i,inodes_recalled=0i %d", day0.Add(31*time.Hour).Unix()),
	)
	want := []volume.Release{
		{Host: "a", Path: "/srv", Time: day0.Add(2 * time.Hour), Bytes: 3},
		{Host: "c", Path: "/srv", Time: day0.Add(5 * time.Hour), Inodes: 6},
		{Host: "b", Path: "/srv/video", Time: day0.Add(26 * time.Hour), Bytes: 7},
		{Host: "a", Path: "/srv", Time: day0.Add(30 * time.Hour), Bytes: 5},
		{Host: "a", Path: "/srv", Time: day0.Add(31 * time.Hour), Bytes: -2},
		{Host: "a", Path: "/srv", Time: day0.Add(31 * time.Hour), Inodes: -1},
	}
	got, err := h.Releases(t.Context(), "", day0, day0.Add(48*time.Hour))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %v, want %v", got, err, want)
	}
	if got, err := h.Releases(t.Context(), "b", day0, day0.Add(48*time.Hour)); err != nil || !slices.Equal(got, want[2:3]) {
		t.Errorf("of b: %v %v, want %v", got, err, want[2:3])
	}
	if got, err := clientOf(t, s, s.URL).History(s.Bucket(t)).Releases(t.Context(), "", day0, day0.Add(time.Hour)); err != nil || len(got) != 0 {
		t.Errorf("of nobody: %v %v", got, err)
	}
}
