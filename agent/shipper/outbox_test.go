package shipper

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidemark/tidemark/internal/outbox"
)

// memory is an outbox without durability.
type memory struct {
	mu          sync.Mutex
	entries     []outbox.Entry
	quarantined []outbox.Entry
	reasons     []string
	expired     []outbox.Entry
	seq         int64
	fail        error // returned by every method while set
}

var _ Outbox = (*memory)(nil)

func (m *memory) add(lines ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range lines {
		m.seq++
		m.entries = append(m.entries, outbox.Entry{Seq: m.seq, Line: l})
	}
}

func (m *memory) Next(_ context.Context, limit int) ([]outbox.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.entries[:min(limit, len(m.entries))]), m.fail
}

func (m *memory) remove(entries []outbox.Entry) {
	m.entries = slices.DeleteFunc(m.entries, func(e outbox.Entry) bool { return slices.Contains(entries, e) })
}

func (m *memory) Delete(_ context.Context, entries []outbox.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		m.remove(entries)
	}
	return m.fail
}

func (m *memory) Quarantine(_ context.Context, e outbox.Entry, reason string, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove([]outbox.Entry{e})
	m.quarantined, m.reasons = append(m.quarantined, e), append(m.reasons, reason)
	return m.fail
}

func (m *memory) Expire(_ context.Context, entries []outbox.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(entries)
	m.expired = append(m.expired, entries...)
	return m.fail
}

func (m *memory) Stats(context.Context) (outbox.Stats, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return outbox.Stats{
		Depth: int64(len(m.entries)), Quarantined: int64(len(m.quarantined)), Expired: int64(len(m.expired)),
	}, m.fail
}

func (m *memory) depth() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.entries)
}
