package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/planner/csvinput"
	"github.com/tidemark/tidemark/tiering/report"
)

// readCSV reads series from a file or standard input and says its warnings.
func (p *program) readCSV(ctx context.Context, name string) (*csvinput.File, error) {
	if name == "" {
		return nil, usagef("name a CSV file, or - for standard input", "the input has no name")
	}
	count := &byteCount{begun: p.now(), name: inputName(name)}
	defer p.showWhile(count.shown(p))()
	file, err := readOrInterrupt(ctx, func() (*csvinput.File, error) {
		if name == "-" {
			return csvinput.Read(inputName(name), count.of(p.stdin))
		}
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, usagef("", "there is no file %s", name)
		}
		if err != nil {
			return nil, usagef("", "open the input: %w", err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return nil, usagef("", "%s is a directory; name a CSV file", name)
		} else if err == nil {
			count.total.Store(info.Size()) // 0 for a pipe
		}
		return csvinput.Read(name, count.of(f))
	})
	var bad *csvinput.Error
	if errors.As(err, &bad) {
		return nil, usagef("correct that line; nothing was done with the file", "%w", err)
	}
	if err != nil {
		return nil, err
	}
	for _, warning := range file.Warnings {
		p.say("warning: %s: %s", inputName(name), warning)
	}
	return file, nil
}

// inputName is what people call an input.
func inputName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// byteCount is how much of an input was read.
type byteCount struct {
	r           io.Reader
	name        string
	begun       time.Time
	done, total atomic.Int64 // total is 0 where it is not known
}

func (c *byteCount) of(r io.Reader) io.Reader {
	c.r = r
	return c
}

func (c *byteCount) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.done.Add(int64(n))
	return n, err
}

// shown shows the count, such as "reading use.csv: 120 MiB of 184 MiB". Who types is not told how far they are.
func (c *byteCount) shown(p *program) func(width int) {
	return func(width int) {
		if done := c.done.Load(); done > 0 && p.now().Sub(c.begun) >= shortWork {
			total := c.total.Load()
			p.showLine(fmt.Sprintf("reading %s: %s", table.Printable(c.name), of(report.Bytes(done), report.Bytes(total), total)), width)
		}
	}
}
