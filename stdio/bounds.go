package stdio

import "time"

// Bounds are what the processes of one server may take. A member that is zero is its default, and for Memory, Files and Processes no bound.
type Bounds struct {
	Max       int           `yaml:"most"`            // processes at the same time; 0: DefaultMax
	PerPerson int           `yaml:"most_per_person"` // of them, those that one person has begun; 0: Max
	Idle      time.Duration `yaml:"idle"`            // how long a process may be idle; 0: DefaultIdle
	Start     time.Duration `yaml:"start_timeout"`   // how long a process may take until it speaks; 0: DefaultStart
	Memory    int           `yaml:"memory_mib"`      // MiB of a process and its children, resident or swapped out; of what is shared, their part
	Processes int           `yaml:"processes"`       // a process and its children
	Files     int           `yaml:"files"`           // open in each of them
}

// What Bounds mean when they are zero.
const (
	DefaultMax   = 32
	DefaultIdle  = 10 * time.Minute
	DefaultStart = 2 * time.Minute
)

// WithDefaults is b with what holds where it says nothing.
func (b Bounds) WithDefaults() Bounds {
	if b.Max <= 0 {
		b.Max = DefaultMax
	}
	if b.PerPerson <= 0 {
		b.PerPerson = b.Max
	}
	if b.Idle <= 0 {
		b.Idle = DefaultIdle
	}
	if b.Start <= 0 {
		b.Start = DefaultStart
	}
	return b
}
