package selection

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/tidemark/tidemark/tiering/policy"
)

// Request is how much is to be moved.
type Request struct {
	Used, Usable int64   // of the volume, in bytes; usable is used and available
	Stop         float64 // the use (share of usable) to come below; 0: take all
	MaxFiles     int64   // 0: any number
	MaxBytes     int64   // as allocated; 0: any number
	// Look gives the facts of a candidate as they are now: what was scanned a while ago may have changed.
	Look func(path string) (*policy.File, error)
}

// Needed is how many bytes must be freed to come below stop.
func (r Request) Needed() int64 {
	if r.Stop <= 0 {
		return 0
	}
	// The greatest use in bytes that is below stop.
	most := int64(math.Ceil(r.Stop*float64(r.Usable))) - 1
	return max(r.Used-most, 0)
}

func (r Request) percent(used int64) float64 {
	if r.Usable <= 0 {
		return 0
	}
	return 100 * float64(max(used, 0)) / float64(r.Usable)
}

// Select takes candidates in order until the projected use is below stop, or a limit is reached. Of the plan it fills in the files, use,
// and totals; what was skipped on the way says why. A file that alone is larger than the limit is skipped; the first one that does not fit
// into what is left of it is the end.
func (c *Candidates) Select(request Request) (Plan, []Skip, error) {
	eligible := c.Eligible()
	p := Plan{
		Version: planVersion, Needed: request.Needed(), Eligible: eligible.Bytes, EligibleN: eligible.Files,
		UsedBefore: request.percent(request.Used), UsedAfter: request.percent(request.Used),
	}
	var skipped []Skip
	var freed int64
	judge := *c.collector.judge
	judge.Moment.Atime = c.by == 1
	for q := c.queue(); (request.Stop <= 0 || freed < p.Needed) && (request.MaxFiles <= 0 || int64(len(p.Files)) < request.MaxFiles); {
		i, ok := q.next()
		if !ok {
			break
		}
		path := string(c.path(nil, i))
		f, v, err := look(&judge, request.Look, path)
		switch {
		case err != nil:
			return Plan{}, nil, err
		case !v.Eligible:
			skipped = append(skipped, Skip{path, v.Reason})
			continue
		case request.MaxBytes > 0 && f.Allocated > request.MaxBytes:
			skipped = append(skipped, Skip{path, fmt.Sprintf("alone is larger than limit.bytes: %d bytes, the limit is %d", f.Allocated, request.MaxBytes)})
			continue
		}
		if request.MaxBytes > 0 && freed+f.Allocated > request.MaxBytes {
			break
		}
		freed += f.Allocated
		p.Files = append(p.Files, item(path, f, v, len(p.Files)+1))
	}
	p.UsedAfter = request.percent(request.Used - freed)
	p.Insufficient = freed < p.Needed
	return p, skipped, nil
}

// look decides once more.
func look(judge *policy.Judge, facts func(string) (*policy.File, error), path string) (*policy.File, policy.Verdict, error) {
	f, err := facts(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, policy.Verdict{Reason: "is gone since it was scanned"}, nil
	} else if err != nil {
		return nil, policy.Verdict{Reason: err.Error()}, nil
	}
	v := judge.Decide(f)
	if v.Why == policy.Unmatched {
		v.Reason = "changed since it was scanned: " + v.Reason
	}
	return f, v, nil
}

func item(path string, f *policy.File, v policy.Verdict, rank int) Item {
	return Item{
		Path: path, Dev: f.Dev, Ino: f.Ino, Size: f.Size, Allocated: f.Allocated, Mtime: f.Mtime, Ctime: f.Ctime,
		Archived: v.Archived, Rank: rank, Reason: v.Reason,
	}
}
