package audit

import (
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
)

// ReadLittle has opening a log read no more of it than it must, as with a large one.
func ReadLittle(o SegmentOptions) SegmentOptions {
	o.whole = -1
	return o
}

// Faults makes the files of a log fail as a disk does.
type Faults struct {
	Write, Sync, Truncate error // of the file whose name ends so; nil: it works
	Name                  string
	Short                 int // bytes that a failing write writes all the same
}

// With has a log's files behind faults, which may be changed between calls.
func (f *Faults) With(o SegmentOptions) SegmentOptions {
	o.open = func(name string) (disk, error) {
		d, err := openDisk(name)
		return &faulty{d, name, f}, err
	}
	return o
}

type faulty struct {
	disk
	name string
	f    *Faults
}

func (d *faulty) meant() bool {
	return len(d.f.Name) <= len(d.name) && d.name[len(d.name)-len(d.f.Name):] == d.f.Name
}

func (d *faulty) WriteAt(b []byte, at int64) (int, error) {
	if d.f.Write == nil || !d.meant() {
		return d.disk.WriteAt(b, at)
	}
	n, err := d.disk.WriteAt(b[:min(len(b), d.f.Short)], at)
	return n, errors.Join(d.f.Write, err)
}

func (d *faulty) Sync() error {
	if d.f.Sync != nil && d.meant() {
		return d.f.Sync
	}
	return d.disk.Sync()
}

func (d *faulty) Truncate(n int64) error {
	if d.f.Truncate != nil && d.meant() {
		return d.f.Truncate
	}
	return d.disk.Truncate(n)
}

// SyncData is how Segments make a file durable.
func SyncData(f *os.File) error { return syncData(f) }

// Power makes files that forget what was not synced when the power fails.
type Power struct {
	mu    sync.Mutex
	files map[string]*volatile
	off   atomic.Bool
}

// Stop has nothing reach the disk for certain any more.
func (p *Power) Stop() { p.off.Store(true) }

const errOff = syscall.EIO

// With has a log's files on Power. Others are written in one step with a sync of their own.
func (p *Power) With(o SegmentOptions) SegmentOptions {
	o.open = func(name string) (disk, error) {
		d, err := openDisk(name)
		if err != nil {
			return nil, err
		}
		durable, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.files == nil {
			p.files = map[string]*volatile{}
		}
		if p.files[name] == nil { // another descriptor of a file sees the same state
			p.files[name] = &volatile{durable: durable}
		}
		return &powered{d, name, p.files[name], &p.off}, nil
	}
	return o
}

// Fail leaves each file as it was at its last sync, with any sectors of what was written since. lost says of a sector.
func (p *Power) Fail(lost func() bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, v := range p.files {
		if _, err := os.Stat(name); err != nil {
			continue // a segment that was dropped
		}
		if err := os.WriteFile(name, v.after(lost), 0o600); err != nil {
			return err
		}
	}
	p.files = nil
	p.off.Store(false)
	return nil
}

type volatile struct {
	mu      sync.Mutex
	durable []byte
	since   []change
}

type change struct {
	at int64
	b  []byte // nil: the file ends at at
}

const sector = 64 // small, so that records are torn often

func (v *volatile) after(lost func() bool) []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	b := slices.Clone(v.durable)
	for _, c := range v.since {
		if c.b == nil {
			if !lost() {
				b = append(b, make([]byte, max(0, int(c.at)-len(b)))...)[:c.at]
			}
			continue
		}
		for i := 0; i < len(c.b); i += sector {
			if lost() {
				continue
			}
			part := c.b[i:min(i+sector, len(c.b))]
			at := int(c.at) + i
			b = append(b, make([]byte, max(0, at+len(part)-len(b)))...)
			copy(b[at:], part)
		}
	}
	return b
}

type powered struct {
	disk
	name string
	v    *volatile
	off  *atomic.Bool
}

func (d *powered) note(c change) {
	d.v.mu.Lock()
	defer d.v.mu.Unlock()
	d.v.since = append(d.v.since, c)
}

func (d *powered) WriteAt(b []byte, at int64) (int, error) {
	d.note(change{at, slices.Clone(b)})
	return d.disk.WriteAt(b, at)
}

func (d *powered) Truncate(at int64) error {
	if d.off.Load() {
		return errOff
	}
	d.note(change{at: at})
	return d.disk.Truncate(at)
}

func (d *powered) Sync() error {
	if d.off.Load() {
		return errOff
	}
	b, err := os.ReadFile(d.name)
	if err != nil {
		return err
	}
	d.v.mu.Lock()
	defer d.v.mu.Unlock()
	d.v.durable, d.v.since = b, nil
	return nil
}
