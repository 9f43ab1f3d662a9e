package client

import (
	"bytes"
	"context"
	"fmt"
	"sync"
)

// Key says whose record it is: tokens have an issuer and a resource, a registration an issuer alone, and a server's
// address alone leads to the issuer that it was last signed in at. What one issuer gave is never found under another.
type Key struct{ Issuer, Resource string }

// Keeper keeps records that hold secrets. It does not look into them.
type Keeper interface {
	// Load gives the record under k. ErrNotFound: there is none.
	Load(ctx context.Context, k Key) ([]byte, error)
	// Save replaces the record under k: afterwards it is there whole, or the old one is.
	Save(ctx context.Context, k Key, text []byte) error
	// Forget removes the record under k. That there is none is no error.
	Forget(ctx context.Context, k Key) error
	// Lock waits until nobody else, in this process or another one over the same records, holds the lock of k. It is
	// not the lock of Load and Save: it keeps two from refreshing the same tokens.
	Lock(ctx context.Context, k Key) (unlock func(), err error)
}

// Memory is a Keeper for one process. The zero Memory is empty and ready.
type Memory struct {
	mu      sync.Mutex
	records map[Key][]byte        // guarded by mu
	locks   map[Key]chan struct{} // :: key → its lock, held when full; guarded by mu
}

var _ Keeper = (*Memory)(nil)

// Load implements Keeper.
func (m *Memory) Load(_ context.Context, k Key) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, ok := m.records[k]
	if !ok {
		return nil, fmt.Errorf("loading from memory: %w", ErrNotFound)
	}
	return bytes.Clone(text), nil
}

// Save implements Keeper.
func (m *Memory) Save(_ context.Context, k Key, text []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		m.records = map[Key][]byte{}
	}
	m.records[k] = bytes.Clone(text)
	return nil
}

// Forget implements Keeper.
func (m *Memory) Forget(_ context.Context, k Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records, k)
	return nil
}

// Lock implements Keeper.
func (m *Memory) Lock(ctx context.Context, k Key) (unlock func(), err error) {
	m.mu.Lock()
	if m.locks == nil {
		m.locks = map[Key]chan struct{}{}
	}
	held, ok := m.locks[k]
	if !ok {
		held = make(chan struct{}, 1)
		m.locks[k] = held
	}
	m.mu.Unlock()
	select {
	case held <- struct{}{}:
		return sync.OnceFunc(func() { <-held }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
