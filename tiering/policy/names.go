package policy

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"sync"
)

// Names looks up the names behind user and group ids, each once. It is safe for concurrent use.
type Names struct {
	mu            sync.RWMutex
	users, groups map[uint32]string
}

// NewNames has an empty memory. One that lives as long as a run sees the names as they were when it met them.
func NewNames() *Names {
	return &Names{users: map[uint32]string{}, groups: map[uint32]string{}}
}

// Owner is a user's name, or the digits of an id that has none. An error means that nobody could be asked; it is not remembered.
func (n *Names) Owner(id uint32) (string, error) {
	return n.name(n.users, id, func(digits string) (string, error) {
		u, err := user.LookupId(digits)
		var unknown user.UnknownUserIdError
		if errors.As(err, &unknown) {
			return digits, nil
		} else if err != nil {
			return "", fmt.Errorf("owner %s: %w", digits, err)
		}
		return u.Username, nil
	})
}

// Group is Owner for groups.
func (n *Names) Group(id uint32) (string, error) {
	return n.name(n.groups, id, func(digits string) (string, error) {
		g, err := user.LookupGroupId(digits)
		var unknown user.UnknownGroupIdError
		if errors.As(err, &unknown) {
			return digits, nil
		} else if err != nil {
			return "", fmt.Errorf("group %s: %w", digits, err)
		}
		return g.Name, nil
	})
}

func (n *Names) name(known map[uint32]string, id uint32, lookup func(digits string) (string, error)) (string, error) {
	n.mu.RLock()
	name, ok := known[id]
	n.mu.RUnlock()
	if ok {
		return name, nil
	}
	name, err := lookup(strconv.FormatUint(uint64(id), 10))
	if err != nil {
		return "", err
	}
	n.mu.Lock()
	known[id] = name
	n.mu.Unlock()
	return name, nil
}
