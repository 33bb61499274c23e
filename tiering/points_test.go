package tiering

import (
	"slices"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/selection"
)

func TestPoints(t *testing.T) {
	at := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	tags := map[string]string{"site": "dc1", "policy": "ours wins"}
	id := volume.ID{Host: "h", Path: "/srv/video"}
	plan := selection.Plan{Policy: "cold", Host: "h", Volume: "/srv/video", Archive: "vault", Triggered: true, Needed: 900, Eligible: 1000}
	run := catalog.Run{
		Started: at.Add(-90500 * time.Millisecond), Ended: at, FilesArchived: 1, BytesArchived: 2, FilesReleased: 3, BytesReleased: 4,
		Failed: 5, Skipped: 6, Insufficient: true,
	}
	use := ArchiveUse{
		Host: "h", Archive: "vault", Files: 1, Bytes: 2, ReleasedFiles: 3, ReleasedBytes: 4, Bad: 5, OldestCheck: at.Add(-time.Hour),
		Recalls: 6, Usage: volume.Usage{Total: 1000, Free: 300, Used: 600},
	}
	unread := use
	unread.OldestCheck = time.Time{}
	for _, tc := range []struct {
		name   string
		points []line.Point
		want   []string
	}{
		{"run", []line.Point{RunPoint(plan, run, tags)}, []string{
			"tidemark_run,archive=vault,host=h,path=/srv/video,policy=cold,site=dc1 files_archived=1i,bytes_archived=2i,files_released=3i," +
				"bytes_released=4i,failed=5i,skipped=6i,insufficient=1i,seconds=90.5,eligible_bytes=1000i,needed_bytes=900i,triggered=1i 1773144000",
		}},
		{"run that was not triggered", []line.Point{RunPoint(selection.Plan{Policy: "cold", Host: "h"}, catalog.Run{Started: at, Ended: at}, nil)}, []string{
			"tidemark_run,host=h,policy=cold files_archived=0i,bytes_archived=0i,files_released=0i,bytes_released=0i,failed=0i,skipped=0i," +
				"insufficient=0i,seconds=0,eligible_bytes=0i,needed_bytes=0i,triggered=0i 1773144000",
		}},
		{"recall", []line.Point{RecallPoint(catalog.Moved{Host: "h", Volume: "/srv/video", Hour: at, Last: at.Add(time.Minute), Released: 1, Recalled: 2, InodesReleased: 3, InodesRecalled: 4}, tags)}, []string{
			"tidemark_recall,host=h,path=/srv/video,policy=ours\\ wins,site=dc1 bytes_recalled=2i,inodes_recalled=4i 1773144000",
		}},
		{"archive", []line.Point{ArchivePoint(use, nil, at)}, []string{
			"tidemark_archive,archive=vault,host=h files=1i,bytes=2i,released_files=3i,released_bytes=4i,bad=5i,oldest_check=1773140400i," +
				"total=1000i,free=300i,used_percent=66.66666666666666,recalls=6i 1773144000",
		}},
		{"archive with objects that were never read back", []line.Point{ArchivePoint(unread, nil, at)}, []string{
			"tidemark_archive,archive=vault,host=h files=1i,bytes=2i,released_files=3i,released_bytes=4i,bad=5i," +
				"total=1000i,free=300i,used_percent=66.66666666666666,recalls=6i 1773144000",
		}},
		{"age", AgePoints(id, []AgeBucket{{"007d", 1, 2}, {"030d", 0, 0}}, tags, at), []string{
			`tidemark_age,bucket=007d,host=h,path=/srv/video,policy=ours\ wins,site=dc1 bytes=1i,files=2i 1773144000`,
			`tidemark_age,bucket=030d,host=h,path=/srv/video,policy=ours\ wins,site=dc1 bytes=0i,files=0i 1773144000`,
		}},
		{"eligible", EligiblePoints(id, "cold", []Eligible{{0, 1, 2}, {30, 3, 4}}, tags, at), []string{
			"tidemark_eligible,days=0,host=h,path=/srv/video,policy=cold,site=dc1 bytes=1i,files=2i 1773144000",
			"tidemark_eligible,days=30,host=h,path=/srv/video,policy=cold,site=dc1 bytes=3i,files=4i 1773144000",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, p := range tc.points {
				text, err := line.Encode(p)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, text)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("lines\n%q\nwant\n%q", got, tc.want)
			}
		})
	}
	if len(tags) != 2 || tags["policy"] != "ours wins" {
		t.Errorf("the configured tags became %v", tags)
	}
}
