package influxtest

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func count(t *testing.T, s *Server, bucket string) string {
	t.Helper()
	return s.Flux(t, fmt.Sprintf(`from(bucket: %q) |> range(start: 0) |> group() |> count() |> keep(columns: ["_value"])`, bucket))
}

func TestBucketsAreApartAndTakePoints(t *testing.T) {
	s := Shared(t)
	a, b := s.Bucket(t), s.Bucket(t)
	now := time.Now().Unix()
	s.Write(t, a, fmt.Sprintf("m f=1i %d", now), fmt.Sprintf("m f=2i %d", now-1))
	if got := count(t, s, a); !strings.Contains(got, ",2\r\n") {
		t.Errorf("the bucket that was written to holds %q, want 2", got)
	}
	if got := count(t, s, b); strings.TrimSpace(got) != "" {
		t.Errorf("the other bucket holds %q", got)
	}
}

func TestServerKeepsItsPointsOverKillAndRestart(t *testing.T) {
	s := Start(t)
	bucket := s.Bucket(t)
	s.Write(t, bucket, fmt.Sprintf("m f=1i %d", time.Now().Unix()))
	s.Kill(t)
	if _, err := http.Get(s.URL + "/health"); err == nil {
		t.Error("the killed server answers")
	}
	s.Restart(t)
	if got := count(t, s, bucket); !strings.Contains(got, ",1\r\n") {
		t.Errorf("after the restart the bucket holds %q, want 1", got)
	}
}

func TestProxyBreaksWhatIsPlantedAndNothingElse(t *testing.T) {
	s := Shared(t)
	bucket := s.Bucket(t)
	p := NewProxy(t, s.URL)
	p.Plant(Fault{Name: "refused", Times: 1, Status: 429, RetryAfter: 3, Message: "slow down"})
	p.Plant(Fault{Name: "reset after", Times: 1, Reset: true, Delivered: true})
	post := func(line string) (*http.Response, error) {
		r, err := http.NewRequest(http.MethodPost, p.URL+"/api/v2/write?precision=s&bucket="+bucket+"&org="+s.Org, strings.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Token "+s.Token)
		return http.DefaultClient.Do(r)
	}
	now := time.Now().Unix()
	answer, err := post(fmt.Sprintf("m f=1i %d", now))
	if err != nil || answer.StatusCode != 429 || answer.Header.Get("Retry-After") != "3" {
		t.Fatalf("first write: %v %v, want a 429", answer, err)
	}
	if _, err := post(fmt.Sprintf("m f=1i %d", now)); err == nil {
		t.Fatal("the second write was answered, want a reset")
	}
	if answer, err := post(fmt.Sprintf("m f=1i %d", now-1)); err != nil || answer.StatusCode != 204 {
		t.Fatalf("third write: %v %v", answer, err)
	}
	if got := count(t, s, bucket); !strings.Contains(got, ",2\r\n") {
		t.Errorf("the bucket holds %q, want 2", got)
	}
	if p.Hits("refused") != 1 || p.Hits("reset after") != 1 || p.Writes() != 3 {
		t.Errorf("hits %d and %d of %d writes", p.Hits("refused"), p.Hits("reset after"), p.Writes())
	}
}
