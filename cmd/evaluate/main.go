// Command evaluate measures the forecasts on data with a known rest: the training parts of the M4 competition's Weekly and Hourly
// series, and real volumes. docs/forecasting.md has its last output.
//
//	go run ./cmd/evaluate --data DIR
package main

import (
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/tidemark/tidemark/planner/csvinput"
)

func main() {
	data := flag.String("data", "", "directory with m4-weekly-train.csv.gz, m4-hourly-train.csv.gz and disks-dev.csv")
	parts := flag.String("parts", "weekly,hourly,disks", "what to evaluate")
	back := flag.Int("back", 0, "M4: leave out so many horizons before the held-out end")
	each := flag.Int("each", 1, "M4: only each n-th series")
	detail := flag.Bool("detail", false, "disks: one line for each volume")
	flag.Parse()
	if *data == "" || flag.NArg() > 0 || *back < 0 || *each < 1 {
		flag.Usage()
		os.Exit(2)
	}
	for part := range strings.SplitSeq(*parts, ",") {
		if err := evaluate(os.Stdout, *data, part, *back, *each, *detail); err != nil {
			fmt.Fprintln(os.Stderr, "evaluate:", err)
			os.Exit(1)
		}
	}
}

func evaluate(w io.Writer, dir, part string, back, each int, detail bool) error {
	switch part {
	case "weekly":
		return evaluateM4(w, "M4 Weekly", filepath.Join(dir, "m4-weekly-train.csv.gz"), competition{horizon: 13, season: 1}, back, each)
	case "hourly":
		return evaluateM4(w, "M4 Hourly", filepath.Join(dir, "m4-hourly-train.csv.gz"), competition{horizon: 48, season: 24}, back, each)
	case "disks":
		return evaluateDisks(w, filepath.Join(dir, "disks-dev.csv"), detail)
	}
	return fmt.Errorf("there is no part %q: weekly, hourly, disks", part)
}

func read(name string) (*csvinput.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return csvinput.Read(name, r)
}

// parallel calls do for 0…n-1 on all cores.
func parallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
