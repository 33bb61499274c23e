package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/history"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/report"
)

const (
	demoHost = "demo"
	demoDays = 365
	gib      = 1 << 30
)

// demoVolume makes up one volume: its use on each of demoDays days, in GiB.
type demoVolume struct {
	path     string
	story    string
	capacity float64 // GiB
	use      func(day int, r *rand.Rand) float64
}

// demoVolumes are the kinds of volume that a planner must tell apart. noise is a day's measurement noise.
func demoVolumes() []demoVolume {
	noise := func(r *rand.Rand, size float64) float64 { return size * r.NormFloat64() }
	return []demoVolume{
		{"/srv/video", "cameras record day and night, less at weekends", 40_000, func(day int, r *rand.Rand) float64 {
			weekend := 0.
			if day%7 >= 5 {
				weekend = 60
			}
			return 18_000 + 52*float64(day) - weekend + noise(r, 40)
		}},
		{"/srv/scans", "a department digitises file by file, then faster", 8_000, func(day int, r *rand.Rand) float64 {
			return 3_000 + 4*float64(day) + 9*math.Max(0, float64(day-240)) + noise(r, 12)
		}},
		{"/var/log", "rotation frees every Sunday what the week wrote", 200, func(day int, r *rand.Rand) float64 {
			return 60 + 14*float64(day%7) + noise(r, 3)
		}},
		{"/srv/backup", "full and waiting for an order", 10_000, func(day int, r *rand.Rand) float64 {
			return math.Min(9_960, 6_500+10.5*float64(day)+noise(r, 25))
		}},
		{"/home", "steady and slow", 4_000, func(day int, r *rand.Rand) float64 {
			return 1_900 + .9*float64(day) + noise(r, 4)
		}},
		{"/srv/install", "nothing has changed for a year", 500, func(int, *rand.Rand) float64 { return 212 }},
	}
}

// demo makes a playground, fills it with a made-up past, forecasts that with the real planner and says each step.
func (p *program) demo(ctx context.Context, cfg *config.Config, keep bool) error {
	dir, err := os.MkdirTemp("", "tidemark-demo-")
	if err != nil {
		return fmt.Errorf("make the playground: %w", err)
	}
	fmt.Fprintf(p.stdout, "1. A playground in %s. Nothing outside it is touched.\n", dir)
	if err = p.play(ctx, cfg, dir); err == nil {
		err = p.demoTiering(ctx, dir)
	}
	if !keep {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		return err
	}
	if keep {
		fmt.Fprintf(p.stdout, "\n6. The playground stays in %s. Look into it with a configuration that says `data_dir: %s`.\n", dir, dir)
		return nil
	}
	fmt.Fprintf(p.stdout, "\n6. The playground is gone again (--keep leaves it). Your volumes: `tidemark up`.\n")
	return nil
}

// play makes up the past of a host in dir and shows its outlook.
func (p *program) play(ctx context.Context, cfg *config.Config, dir string) error {
	store, err := history.Open(ctx, filepath.Join(dir, historyFile), history.Options{Log: p.log, Now: p.now})
	if err != nil {
		return err
	}
	defer store.Close()
	now := p.now()
	volumes := demoVolumes()
	fmt.Fprintf(p.stdout, "2. A year of a host that does not exist, %d volumes. ALL OF IT IS MADE UP:\n", len(volumes))
	for i, v := range volumes {
		if err := store.Import(ctx, volume.ID{Host: demoHost, Path: v.path}, v.readings(now, rand.New(rand.NewPCG(1, uint64(i))))); err != nil {
			return fmt.Errorf("make up %s: %w", v.path, err)
		}
		fmt.Fprintf(p.stdout, "     %-13s %s\n", v.path, v.story)
	}
	fmt.Fprintf(p.stdout, "3. Their outlook, from that history, by the same planner that forecasts yours:\n\n")
	outlooks, err := p.hostOutlooks(ctx, cfg, planner.Planner{History: store}, now)
	if err != nil {
		return err
	}
	if err := report.Volumes(p.stdout, outlooks, p.columns(), now); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "\n4. How it came to that: growth a day, the early date (1 chance in 10 of being\n"+
		"   full by then), the likely one (1 in 2), and the forecast's own measured error\n"+
		"   (below 1 it is better than \"no change\"):\n\n")
	return report.Forecasts(p.stdout, outlooks, p.columns(), now)
}

// readings are a reading at the end of each past day and one now.
func (v demoVolume) readings(now time.Time, r *rand.Rand) []volume.Reading {
	readings := make([]volume.Reading, 0, demoDays+1)
	today := volume.StartOfDay(now)
	for day := range demoDays + 1 {
		at := today.AddDate(0, 0, day-demoDays).Add(23 * time.Hour)
		if day == demoDays {
			at = now.Truncate(time.Second)
		}
		capacity := int64(v.capacity * gib)
		used := min(max(int64(v.use(day, r)*gib), 0), capacity)
		readings = append(readings, volume.Reading{Time: at, Usage: volume.Usage{Total: capacity, Used: used, Free: capacity - used}})
	}
	return readings
}
