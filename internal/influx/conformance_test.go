package influx_test

import (
	"context"
	"testing"

	"github.com/tidemark/tidemark/internal/historytest"
	"github.com/tidemark/tidemark/internal/influxtest"
	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/volume"
)

func TestConformance(t *testing.T) {
	historytest.Run(t, func(t *testing.T) historytest.Target {
		s := influxtest.Shared(t)
		bucket := s.Bucket(t)
		client := clientOf(t, s, s.URL)
		return historytest.Target{History: client.History(bucket), Write: func(ctx context.Context, samples []volume.Sample) error {
			var lines []string
			for _, sample := range samples {
				points := []line.Point{line.VolumePoint(sample)}
				if sample.Measured() {
					points = append(points, line.DiskPoint(sample))
				}
				for _, p := range points {
					l, err := line.Encode(p)
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
