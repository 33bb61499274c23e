package influx_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influx"
	"github.com/tidemark/tidemark/internal/influxtest"
	"github.com/tidemark/tidemark/internal/ledgertest"
	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
	"github.com/tidemark/tidemark/planner/ledger"
)

var _ ledger.Store = (*influx.Ledger)(nil)

// outlookOf is an outlook that publishes as o.
func outlookOf(s volume.PublishedSeries, o volume.Published) planner.Outlook {
	at := func(days float64) time.Time {
		if math.IsNaN(days) {
			return time.Time{}
		}
		return o.Origin.Add(time.Duration(days * 24 * float64(time.Hour)))
	}
	look := planner.Outlook{
		Volume: s.ID, Resource: s.Resource, FullLevel: o.FullLevel,
		Sample: volume.Sample{ID: s.ID, Tags: map[string]string{"site": o.Made.Weekday().String()}}, // tags that change
		Forecast: forecast.Forecast{
			Origin: o.Origin, Used: o.Used, Capacity: o.Capacity, Method: "ensemble", GrowthPerDay: 1, Backtest: forecast.Backtest{MASE: 1},
			TimeToFull: forecast.TimeToFull{
				P10: at(o.P10Days), P50: at(o.P50Days), P90: at(o.P90Days),
				Probability7: o.Probability7, Probability30: o.Probability30, Probability90: o.Probability90, Reason: forecast.Reason(o.Reason),
			},
		},
	}
	for i, p := range o.Ahead {
		if !math.IsNaN(p.Forecast) {
			look.Points = append(look.Points, forecast.Point{
				Time: volume.StartOfDay(o.Origin).AddDate(0, 0, volume.PublishedDays[i]), Forecast: p.Forecast, Lower: p.Lower, Upper: p.Upper,
			})
		}
	}
	return look
}

func TestLedgerConformance(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledgertest.Target {
		s := influxtest.Shared(t)
		bucket := s.Bucket(t)
		client := clientOf(t, s, s.URL)
		return ledgertest.Target{Store: client.Ledger(bucket), Publish: func(ctx context.Context, all []volume.PublishedSeries) error {
			var lines []string
			for _, series := range all {
				for _, o := range series.Outlooks {
					l, err := line.Encode(planner.OutlookPoint(outlookOf(series, o), o.Made))
					if err != nil {
						return err
					}
					lines = append(lines, l)
				}
			}
			return client.Write(ctx, bucket, lines)
		}}
	})
}

// Rows that were written before the ledger was read have neither origin nor what was said of days ahead.
func TestLedgerReadsRowsOfEarlierVersions(t *testing.T) {
	s := influxtest.Shared(t)
	bucket := s.Bucket(t)
	s.Write(t, bucket, `tidemark_outlook,host=h,path=/srv,resource=space growth_per_day=1.5,p50_days=3,prob_30d=0.75,full_level=95,method="ensemble",reason="" 1773151200`)
	n := 0
	for got, err := range clientOf(t, s, s.URL).Ledger(bucket).Published(t.Context(), volume.Selector{}, time.Unix(0, 0), time.Unix(1773151201, 0)) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		o := got.Outlooks[0]
		if !o.Origin.Equal(o.Made) || o.Made.Unix() != 1773151200 || o.P50Days != 3 || o.Probability30 != .75 || o.FullLevel != .95 || !math.IsNaN(o.Capacity) || !math.IsNaN(o.Ahead[1].Forecast) {
			t.Errorf("%+v", o)
		}
	}
	if n != 1 {
		t.Errorf("%d series, want one", n)
	}
}
