package influx_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influx"
	"github.com/tidemark/tidemark/internal/influxtest"
)

func TestNewestValues(t *testing.T) {
	s := influxtest.Shared(t)
	bucket := s.Bucket(t)
	h := clientOf(t, s, s.URL).History(bucket)
	eligible := func(host, policy string, days, bytes int, at time.Time) string {
		return fmt.Sprintf("tidemark_eligible,days=%d,host=%s,path=/srv,policy=%s bytes=%di,files=1i %d", days, host, policy, bytes, at.Unix())
	}
	s.Write(t, bucket,
		eligible("a", "cold", 0, 10, day0), eligible("a", "cold", 0, 20, day0.Add(time.Hour)), eligible("a", "cold", 30, 25, day0.Add(time.Hour)),
		eligible("b", "cold", 0, 30, day0), eligible("a", `it''s`, 0, 40, day0), eligible("a", "cold", 0, 50, day0.Add(48*time.Hour)),
	)
	values := func(tags map[string]string, since, until time.Time) []string {
		t.Helper()
		all, err := h.NewestValues(t.Context(), "tidemark_eligible", "bytes", tags, since, until)
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		slices.SortFunc(all, func(a, b influx.Value) int { return cmp.Compare(a.Value, b.Value) })
		for _, v := range all {
			texts = append(texts, fmt.Sprintf("%s %s %s %s %d after %v", v.Tags["host"], v.Tags["path"], v.Tags["policy"], v.Tags["days"], v.Value, v.Time.Sub(day0)))
		}
		return texts
	}
	want := []string{"a /srv cold 0 20 after 1h0m0s", "a /srv cold 30 25 after 1h0m0s", "b /srv cold 0 30 after 0s"}
	if got := values(map[string]string{"policy": "cold"}, day0, day0.Add(24*time.Hour)); !slices.Equal(got, want) {
		t.Errorf("values %q, want %q", got, want)
	}
	if got := values(map[string]string{"policy": "cold", "host": "b"}, day0, day0.Add(24*time.Hour)); !slices.Equal(got, want[2:]) {
		t.Errorf("values of one host %q, want %q", got, want[2:])
	}
	if got := values(nil, day0, day0.Add(24*time.Hour)); len(got) != 4 {
		t.Errorf("values of all policies %q", got)
	}
	if got := values(map[string]string{"policy": "co\xffld"}, day0, day0.Add(24*time.Hour)); len(got) != 0 {
		t.Errorf("values of a policy that is no text %q", got)
	}
	if got := values(nil, day0, day0); got != nil {
		t.Errorf("an empty range has %q", got)
	}
}
