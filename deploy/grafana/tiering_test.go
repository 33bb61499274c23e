package grafana

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influxtest"
	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/tiering"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/selection"
)

// run is the row of one that took a minute and a half, of a policy with 1000 bytes eligible and 900 needed, and read site off
// the configuration.
func run(host, policy, path, archive, site string, age time.Duration, r catalog.Run) line.Point {
	r.Ended = now.Add(-age)
	r.Started = r.Ended.Add(-90 * time.Second)
	plan := selection.Plan{
		Policy: policy, Host: host, Volume: path, Archive: archive, Eligible: 1000, Needed: 900, Triggered: r.Triggered != "",
	}
	return tiering.RunPoint(plan, r, map[string]string{"site": site})
}

func archived(host, archive, site string, age time.Duration, use tiering.ArchiveUse) line.Point {
	use.Host, use.Archive = host, archive
	return tiering.ArchivePoint(use, map[string]string{"site": site}, now.Add(-age))
}

// seedTiering fills a bucket: nas1 has two policies, the one moved to another site; web.1 has one that is well again, and webx1,
// whose name a careless pattern takes for web.1's, one that failed. What lies before the time range counts for nothing.
func seedTiering(t *testing.T, server *influxtest.Server) view {
	t.Helper()
	v := view{bucket: server.Bucket(t)}
	const video, scans, logs = "/srv/video", "/srv/scans", "/var/log"
	points := []line.Point{
		run("nas1", "cold", video, "vault", "old", 20*day, catalog.Run{Triggered: "x", FilesArchived: 1e6, BytesArchived: 1e6, FilesReleased: 1e6, BytesReleased: 1e6, Failed: 1e6, Insufficient: true}),
		run("nas1", "cold", video, "vault", "old", 26*time.Hour, catalog.Run{Triggered: "x", FilesArchived: 10, BytesArchived: 1000, FilesReleased: 8, BytesReleased: 800}),
		run("nas1", "cold", video, "vault", "dc1", 2*time.Hour, catalog.Run{Triggered: "x", FilesArchived: 4, BytesArchived: 400, FilesReleased: 2, BytesReleased: 200, Failed: 1, Skipped: 3, Insufficient: true}),
		run("nas1", "scans", scans, "deep", "dc1", 3*time.Hour, catalog.Run{}),
		run("web.1", "logs", logs, "vault", "dc1", 5*day, catalog.Run{Triggered: "x", FilesArchived: 7, BytesArchived: 70, FilesReleased: 7, BytesReleased: 70, Insufficient: true}),
		run("web.1", "logs", logs, "vault", "dc1", 110*time.Minute, catalog.Run{Triggered: "x", FilesArchived: 1, BytesArchived: 10, FilesReleased: 1, BytesReleased: 10}),
		run("webx1", "cold", "/x", "vault", "dc1", 2*day, catalog.Run{Triggered: "x", Failed: 2, Insufficient: true}),

		archived("nas1", "vault", "old", 2*day, tiering.ArchiveUse{Files: 1, Bad: 9, OldestCheck: now.Add(-400 * day), Usage: volume.Usage{Total: 100, Used: 50, Free: 50}}),
		archived("nas1", "vault", "old", 2*day-30*time.Minute, tiering.ArchiveUse{Files: 1, Usage: volume.Usage{Total: 100, Used: 40, Free: 60}}),
		archived("nas1", "vault", "dc1", time.Hour, tiering.ArchiveUse{
			Files: 14, Bytes: 1400, ReleasedFiles: 10, ReleasedBytes: 1000, Bad: 1, Recalls: 2,
			OldestCheck: now.Add(-30 * day), Usage: volume.Usage{Total: 2000, Used: 1500, Free: 500},
		}),
		archived("nas1", "deep", "dc1", 90*time.Minute, tiering.ArchiveUse{Usage: volume.Usage{Total: 100, Used: 0, Free: 100}}),
		archived("web.1", "vault", "dc1", time.Hour, tiering.ArchiveUse{
			Files: 8, Bytes: 80, ReleasedFiles: 8, ReleasedBytes: 80, Bad: 2, OldestCheck: now.Add(-2 * day), Usage: volume.Usage{Total: 100, Used: 80, Free: 20},
		}),
		archived("webx1", "vault", "dc1", 5*day, tiering.ArchiveUse{Files: 3, Bad: 4, OldestCheck: now.Add(-900 * day), Usage: volume.Usage{Total: 100, Used: 99, Free: 1}}),
	}
	eligible := func(host, path, policy, site string, age time.Duration, bytes ...int64) {
		var all []tiering.Eligible
		for i, b := range bytes {
			all = append(all, tiering.Eligible{Days: []int{0, 7, 30}[i], Bytes: b, Files: 1})
		}
		points = append(points, tiering.EligiblePoints(volume.ID{Host: host, Path: path}, policy, all, map[string]string{"site": site}, now.Add(-age))...)
	}
	eligible("nas1", video, "cold", "old", 26*time.Hour, 5000, 6000, 7000)
	eligible("nas1", video, "cold", "dc1", 2*time.Hour, 1000, 1500, 9000)
	eligible("nas1", scans, "scans", "dc1", 3*time.Hour, 0, 10, 20)
	eligible("web.1", logs, "logs", "dc1", time.Hour, 3, 4, 5)
	eligible("webx1", "/x", "cold", "dc1", 20*day, 1e6, 1e6, 1e6)
	age := func(host, path, site string, age time.Duration, young, old int64) {
		buckets := []tiering.AgeBucket{{Name: "030d", Bytes: old, Files: 2}, {Name: "000d", Bytes: young, Files: 1}}
		points = append(points, tiering.AgePoints(volume.ID{Host: host, Path: path}, buckets, map[string]string{"site": site}, now.Add(-age))...)
	}
	age("nas1", video, "old", 26*time.Hour, 1, 2)
	age("nas1", video, "dc1", 2*time.Hour, 100, 200)
	age("nas1", scans, "dc1", 3*time.Hour, 30, 0)
	age("web.1", logs, "dc1", time.Hour, 5, 6)
	server.Write(t, v.bucket, encode(t, points...)...)
	return v
}

// tieringExpectation is what a query must return: of everything, of web.1 and nas1, of the policy cold, and of the archive deep.
type tieringExpectation struct {
	columns                     []string
	unordered                   bool // the order of the series is the server's
	all, hosts, policy, archive []string
}

func value(all, hosts, policy, archive string) tieringExpectation {
	rows := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	return tieringExpectation{columns: []string{"_value"}, all: rows(all), hosts: rows(hosts), policy: rows(policy), archive: rows(archive)}
}

var (
	policyColumns  = strings.Fields("policy host path archive _time triggered bytes_released eligible_bytes needed_bytes insufficient failed skipped")
	archiveColumns = strings.Fields("archive host files bytes released_bytes bad checked recalls free used_percent _time")
	runColumns     = strings.Fields("_time host policy archive files_archived bytes_archived files_released bytes_released failed skipped seconds")
)

var tieringExpectations = map[string]tieringExpectation{
	"Released/A":              value("1080", "1080", "1000", "0"),
	"Archived/A":              value("1480", "1480", "1400", "0"),
	"Eligible/A":              value("1003", "1003", "1000", "1003"), // no archive is part of what is eligible
	"Failed files/A":          value("3", "1", "3", "0"),
	"Insufficient policies/A": value("2", "1", "2", "0"),
	"Bad objects/A":           value("3", "3", "3", "0"),
	"Longest unread/A":        value("2592000", "2592000", "2592000", ""),
	"Moved/A": {
		columns: []string{"_time", "archived"},
		all:     []string{"2026-03-10T13:00:00Z 70", "2026-03-13T13:00:00Z 0", "2026-03-14T11:00:00Z 1000", "2026-03-15T10:00:00Z 0", "2026-03-15T11:00:00Z 410"},
		hosts:   []string{"2026-03-10T13:00:00Z 70", "2026-03-14T11:00:00Z 1000", "2026-03-15T10:00:00Z 0", "2026-03-15T11:00:00Z 410"},
		policy:  []string{"2026-03-13T13:00:00Z 0", "2026-03-14T11:00:00Z 1000", "2026-03-15T11:00:00Z 400"},
		archive: []string{"2026-03-15T10:00:00Z 0"},
	},
	"Moved/B": {
		columns: strings.Fields("_time released"),
		all: []string{
			"2026-03-10T13:00:00Z 70",
			"2026-03-13T13:00:00Z 0",
			"2026-03-14T11:00:00Z 800",
			"2026-03-15T10:00:00Z 0",
			"2026-03-15T11:00:00Z 210",
		},
		hosts: []string{
			"2026-03-10T13:00:00Z 70",
			"2026-03-14T11:00:00Z 800",
			"2026-03-15T10:00:00Z 0",
			"2026-03-15T11:00:00Z 210",
		},
		policy: []string{
			"2026-03-13T13:00:00Z 0",
			"2026-03-14T11:00:00Z 800",
			"2026-03-15T11:00:00Z 200",
		},
		archive: []string{
			"2026-03-15T10:00:00Z 0",
		},
	},
	"Eligible by policy/A": {
		columns: strings.Fields("host path policy _time _value"), unordered: true,
		all: []string{
			"nas1 /srv/scans scans 2026-03-15T10:00:00Z 0",
			"nas1 /srv/video cold 2026-03-14T11:00:00Z 5000",
			"nas1 /srv/video cold 2026-03-15T11:00:00Z 1000",
			"web.1 /var/log logs 2026-03-15T12:00:00Z 3",
		},
		hosts: []string{
			"nas1 /srv/scans scans 2026-03-15T10:00:00Z 0",
			"nas1 /srv/video cold 2026-03-14T11:00:00Z 5000",
			"nas1 /srv/video cold 2026-03-15T11:00:00Z 1000",
			"web.1 /var/log logs 2026-03-15T12:00:00Z 3",
		},
		policy: []string{
			"nas1 /srv/video cold 2026-03-14T11:00:00Z 5000",
			"nas1 /srv/video cold 2026-03-15T11:00:00Z 1000",
		},
		archive: []string{
			"nas1 /srv/scans scans 2026-03-15T10:00:00Z 0",
			"nas1 /srv/video cold 2026-03-14T11:00:00Z 5000",
			"nas1 /srv/video cold 2026-03-15T11:00:00Z 1000",
			"web.1 /var/log logs 2026-03-15T12:00:00Z 3",
		},
	},
	"Age of data/A": {
		columns: strings.Fields("bucket _value"),
		all: []string{
			"000d 135",
			"030d 206",
		},
		hosts: []string{
			"000d 135",
			"030d 206",
		},
		policy: []string{
			"000d 135",
			"030d 206",
		},
		archive: []string{
			"000d 135",
			"030d 206",
		},
	},
	"Eligible in days to come/A": {
		columns: strings.Fields("days _value"),
		all: []string{
			"0 1003",
			"7 1514",
			"30 9025",
		},
		hosts: []string{
			"0 1003",
			"7 1514",
			"30 9025",
		},
		policy: []string{
			"0 1000",
			"7 1500",
			"30 9000",
		},
		archive: []string{
			"0 1003",
			"7 1514",
			"30 9025",
		},
	},
	"Archive fill/A": {
		columns: strings.Fields("host archive _time _value"), unordered: true,
		all: []string{
			"nas1 deep 2026-03-15T11:00:00Z 0",
			"nas1 vault 2026-03-13T13:00:00Z 50",
			"nas1 vault 2026-03-15T12:00:00Z 75",
			"web.1 vault 2026-03-15T12:00:00Z 80",
			"webx1 vault 2026-03-10T13:00:00Z 99",
		},
		hosts: []string{
			"nas1 deep 2026-03-15T11:00:00Z 0",
			"nas1 vault 2026-03-13T13:00:00Z 50",
			"nas1 vault 2026-03-15T12:00:00Z 75",
			"web.1 vault 2026-03-15T12:00:00Z 80",
		},
		policy: []string{
			"nas1 deep 2026-03-15T11:00:00Z 0",
			"nas1 vault 2026-03-13T13:00:00Z 50",
			"nas1 vault 2026-03-15T12:00:00Z 75",
			"web.1 vault 2026-03-15T12:00:00Z 80",
			"webx1 vault 2026-03-10T13:00:00Z 99",
		},
		archive: []string{
			"nas1 deep 2026-03-15T11:00:00Z 0",
		},
	},
	"Policies/A": {
		columns: policyColumns,
		all: []string{
			"cold nas1 /srv/video vault 2026-03-15T10:00:00Z 1 200 1000 900 1 1 3",
			"scans nas1 /srv/scans deep 2026-03-15T09:00:00Z 0 0 1000 900 0 0 0",
			"logs web.1 /var/log vault 2026-03-15T10:10:00Z 1 10 1000 900 0 0 0",
			"cold webx1 /x vault 2026-03-13T12:00:00Z 1 0 1000 900 1 2 0",
		},
		hosts: []string{
			"cold nas1 /srv/video vault 2026-03-15T10:00:00Z 1 200 1000 900 1 1 3",
			"scans nas1 /srv/scans deep 2026-03-15T09:00:00Z 0 0 1000 900 0 0 0",
			"logs web.1 /var/log vault 2026-03-15T10:10:00Z 1 10 1000 900 0 0 0",
		},
		policy: []string{
			"cold nas1 /srv/video vault 2026-03-15T10:00:00Z 1 200 1000 900 1 1 3",
			"cold webx1 /x vault 2026-03-13T12:00:00Z 1 0 1000 900 1 2 0",
		},
		archive: []string{
			"scans nas1 /srv/scans deep 2026-03-15T09:00:00Z 0 0 1000 900 0 0 0",
		},
	},
	"Archives/A": {
		columns: archiveColumns,
		all: []string{
			"deep nas1 0 0 0 0 0 0 100 0 2026-03-15T10:30:00Z",
			"vault nas1 14 1400 1000 1 1770984000000 2 500 75 2026-03-15T11:00:00Z",
			"vault web.1 8 80 80 2 1773403200000 0 20 80 2026-03-15T11:00:00Z",
		},
		hosts: []string{
			"deep nas1 0 0 0 0 0 0 100 0 2026-03-15T10:30:00Z",
			"vault nas1 14 1400 1000 1 1770984000000 2 500 75 2026-03-15T11:00:00Z",
			"vault web.1 8 80 80 2 1773403200000 0 20 80 2026-03-15T11:00:00Z",
		},
		policy: []string{
			"deep nas1 0 0 0 0 0 0 100 0 2026-03-15T10:30:00Z",
			"vault nas1 14 1400 1000 1 1770984000000 2 500 75 2026-03-15T11:00:00Z",
			"vault web.1 8 80 80 2 1773403200000 0 20 80 2026-03-15T11:00:00Z",
		},
		archive: []string{
			"deep nas1 0 0 0 0 0 0 100 0 2026-03-15T10:30:00Z",
		},
	},
	"Runs/A": {
		columns: runColumns,
		all: []string{
			"2026-03-15T10:10:00Z web.1 logs vault 1 10 1 10 0 0 90",
			"2026-03-15T10:00:00Z nas1 cold vault 4 400 2 200 1 3 90",
			"2026-03-14T10:00:00Z nas1 cold vault 10 1000 8 800 0 0 90",
			"2026-03-13T12:00:00Z webx1 cold vault 0 0 0 0 2 0 90",
			"2026-03-10T12:00:00Z web.1 logs vault 7 70 7 70 0 0 90",
		},
		hosts: []string{
			"2026-03-15T10:10:00Z web.1 logs vault 1 10 1 10 0 0 90",
			"2026-03-15T10:00:00Z nas1 cold vault 4 400 2 200 1 3 90",
			"2026-03-14T10:00:00Z nas1 cold vault 10 1000 8 800 0 0 90",
			"2026-03-10T12:00:00Z web.1 logs vault 7 70 7 70 0 0 90",
		},
		policy: []string{
			"2026-03-15T10:00:00Z nas1 cold vault 4 400 2 200 1 3 90",
			"2026-03-14T10:00:00Z nas1 cold vault 10 1000 8 800 0 0 90",
			"2026-03-13T12:00:00Z webx1 cold vault 0 0 0 0 2 0 90",
		},
		archive: nil,
	},
	"$host": {
		columns: strings.Fields("_value"),
		all: []string{
			"nas1",
			"web.1",
			"webx1",
		},
		hosts: []string{
			"nas1",
			"web.1",
			"webx1",
		},
		policy: []string{
			"nas1",
			"web.1",
			"webx1",
		},
		archive: []string{
			"nas1",
			"web.1",
			"webx1",
		},
	},
	"$policy": {
		columns: strings.Fields("_value"),
		all: []string{
			"cold",
			"logs",
			"scans",
		},
		hosts: []string{
			"cold",
			"logs",
			"scans",
		},
		policy: []string{
			"cold",
			"logs",
			"scans",
		},
		archive: []string{
			"cold",
			"logs",
			"scans",
		},
	},
	"$archive": {
		columns: strings.Fields("_value"),
		all: []string{
			"deep",
			"vault",
		},
		hosts: []string{
			"deep",
			"vault",
		},
		policy: []string{
			"deep",
			"vault",
		},
		archive: []string{
			"deep",
			"vault",
		},
	},
}

func TestEveryQueryReturnsWhatTieringDid(t *testing.T) {
	server := influxtest.Shared(t)
	all := seedTiering(t, server)
	empty := view{bucket: server.Bucket(t)}
	hosts, policy, archive := all, all, all
	hosts.hosts, policy.policies, archive.archives = []string{"web.1", "nas1"}, []string{"cold"}, []string{"deep"}
	d, _ := read(t, "tidemark-tiering")
	queries := d.queries()
	for name := range tieringExpectations {
		if queries[name] == "" {
			t.Errorf("the board has no query %s any more", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(queries)) {
		want, ok := tieringExpectations[name]
		if !ok {
			t.Errorf("no test says what the query %s should return", name)
			continue
		}
		for _, c := range []struct {
			name string
			view
			want []string
		}{
			{"all", all, want.all},
			{"two hosts", hosts, want.hosts},
			{"one policy", policy, want.policy},
			{"one archive", archive, want.archive},
			{"nothing stored", empty, nil},
		} {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				got := table(t, server, c.interpolate(t, queries[name]), want.columns...)
				if want.unordered {
					slices.Sort(got)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
				}
			})
		}
	}
}
