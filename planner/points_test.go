package planner

import (
	"maps"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

func encode(t *testing.T, points ...line.Point) []string {
	t.Helper()
	lines := []string{}
	for _, p := range points {
		l, err := line.Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return lines
}

// rowOutlook knows everything; made is two hours after its origin.
func rowOutlook() (o Outlook, made time.Time) {
	midnight := volume.StartOfDay(now)
	o = Outlook{
		Series: "h:/srv", Volume: volume.ID{Host: "h", Path: "/srv"}, Sample: sampleAt("/srv", "xfs", "sda1", 1, 1),
		Resource: volume.Space, FullLevel: .95,
		Forecast: forecast.Forecast{
			Origin: now, Step: day, Used: 5, Capacity: 10, Method: "ensemble", Reason: "weighed", GrowthPerDay: 1.5,
			Backtest: forecast.Backtest{Origins: 3, MASE: .75},
			Points: []forecast.Point{
				{Time: midnight, Forecast: 1, Lower: 0, Upper: 2}, {Time: midnight.Add(day), Forecast: 3, Lower: 2, Upper: 4}, {Time: midnight.Add(2 * day), Forecast: 5, Lower: 4, Upper: 6},
			},
			TimeToFull: forecast.TimeToFull{
				P10: now.Add(36 * time.Hour), P50: now.Add(3 * day), P90: now.Add(10 * day), Probability7: .5, Probability30: .75, Probability90: 1,
			},
		},
	}
	o.Sample.Label = "data"
	o.Sample.Tags = map[string]string{"site": "dc1"}
	return o, now.Add(2 * time.Hour)
}

func TestForecastPointsAreTheFuture(t *testing.T) {
	o, made := rowOutlook()
	want := []string{
		"tidemark_forecast,host=h,path=/srv,resource=space,site=dc1 used=3,lower=2,upper=4,made=1773151200i 1773187200",
		"tidemark_forecast,host=h,path=/srv,resource=space,site=dc1 used=5,lower=4,upper=6,made=1773151200i 1773273600",
	}
	if diff := cmp.Diff(want, encode(t, ForecastPoints(o, made)...)); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
	// A point of this very moment is no future.
	if got := ForecastPoints(o, o.Points[1].Time); len(got) != 1 || !got[0].Time.Equal(o.Points[2].Time) {
		t.Errorf("made at the second point: %+v, want the third alone", got)
	}
	o.Points = nil
	if got := ForecastPoints(o, made); len(got) != 0 {
		t.Errorf("without points: %+v", got)
	}
}

func TestOutlookPointSaysWhatIsKnown(t *testing.T) {
	nan := math.NaN()
	for _, tc := range []struct {
		name   string
		change func(*Outlook)
		want   string
	}{
		{"everything", func(*Outlook) {}, "tidemark_outlook,host=h,path=/srv,resource=space,site=dc1 growth_per_day=1.5,p10_days=1.5,p50_days=3,p90_days=10," +
			`prob_7d=0.5,prob_30d=0.75,prob_90d=1,full_level=95,backtest_mase=0.75,used=5,capacity=10,origin=1773144000i,method="ensemble",reason="" 1773151200`},
		{"no date", func(o *Outlook) {
			o.TimeToFull.P10, o.TimeToFull.P50, o.TimeToFull.P90, o.TimeToFull.Reason = time.Time{}, time.Time{}, time.Time{}, "gap"
			o.Backtest.MASE = nan
		}, "tidemark_outlook,host=h,path=/srv,resource=space,site=dc1 growth_per_day=1.5,prob_7d=0.5,prob_30d=0.75,prob_90d=1,full_level=95," +
			`used=5,capacity=10,origin=1773144000i,method="ensemble",reason="gap" 1773151200`},
		{"full", func(o *Outlook) {
			o.TimeToFull = forecast.TimeToFull{P10: now, P50: now, P90: now, Probability7: 1, Probability30: 1, Probability90: 1, Reason: "full"}
		}, "tidemark_outlook,host=h,path=/srv,resource=space,site=dc1 growth_per_day=1.5,p10_days=0,p50_days=0,p90_days=0,prob_7d=1,prob_30d=1,prob_90d=1," +
			`full_level=95,backtest_mase=0.75,used=5,capacity=10,origin=1773144000i,method="ensemble",reason="full" 1773151200`},
		{"inodes without tags", func(o *Outlook) { o.Resource, o.Sample.Tags = volume.Inodes, nil }, "tidemark_outlook,host=h,path=/srv,resource=inodes growth_per_day=1.5,p10_days=1.5," +
			`p50_days=3,p90_days=10,prob_7d=0.5,prob_30d=0.75,prob_90d=1,full_level=95,backtest_mase=0.75,used=5,capacity=10,origin=1773144000i,method="ensemble",reason="" 1773151200`},
		{"what it says of days ahead", func(o *Outlook) {
			for _, days := range []int{6, 7, 30} { // the horizon ends before the ninetieth
				v := float64(days)
				o.Points = append(o.Points, forecast.Point{Time: volume.StartOfDay(now).AddDate(0, 0, days), Forecast: v, Lower: v - 1, Upper: v + 1})
			}
		}, "tidemark_outlook,host=h,path=/srv,resource=space,site=dc1 growth_per_day=1.5,p10_days=1.5,p50_days=3,p90_days=10,prob_7d=0.5,prob_30d=0.75,prob_90d=1," +
			"full_level=95,backtest_mase=0.75,used=5,capacity=10,forecast_7d=7,lower_7d=6,upper_7d=8,forecast_30d=30,lower_30d=29,upper_30d=31," +
			`origin=1773144000i,method="ensemble",reason="" 1773151200`},
		{"never read", func(o *Outlook) { o.Forecast = unread(o.Sample) }, "tidemark_outlook,host=h,path=/srv,resource=space,site=dc1 full_level=95," +
			`origin=1773144000i,method="none",reason="unread" 1773151200`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, made := rowOutlook()
			tc.change(&o)
			before := maps.Clone(o.Sample.Tags)
			if got := encode(t, OutlookPoint(o, made)); got[0] != tc.want {
				t.Errorf("row\n%s, want\n%s", got[0], tc.want)
			}
			if !maps.Equal(before, o.Sample.Tags) {
				t.Errorf("the sample's tags became %v", o.Sample.Tags)
			}
		})
	}
}

func TestEventPointsStandAtTheirEnd(t *testing.T) {
	o, made := rowOutlook()
	o.Events = []forecast.Event{
		{Kind: forecast.EventCleanup, From: now.Add(-3 * day), To: now.Add(-2 * day), Change: -7.5},
		{Kind: forecast.EventSawtooth, From: now.Add(-9 * day), To: now.Add(-day), Change: 4, Period: 2 * day, Low: 1, High: 5},
	}
	want := []string{
		"tidemark_event,event=cleanup,host=h,path=/srv,resource=space,site=dc1 change=-7.5,from=1772884800i,made=1773151200i 1772971200",
		"tidemark_event,event=sawtooth,host=h,path=/srv,resource=space,site=dc1 change=4,from=1772366400i,made=1773151200i 1773057600",
	}
	if diff := cmp.Diff(want, encode(t, EventPoints(o, made)...)); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
}
