package guard

import (
	"maps"
	"time"
)

// Limits of one resource; a member that is zero is the default beside it, or none.
type Limits struct {
	Body   int64             `yaml:"request_body"`    // bytes: 4 MiB
	News   time.Duration     `yaml:"revocation_news"` // how old the news of revocations may be: 10 s
	Caller Bounds            `yaml:"caller"`          // each person through each client; at once: 1,024, streams among them
	Client Bounds            `yaml:"client"`          // each client, whoever uses it
	Tool   Bounds            `yaml:"tool"`            // each tool, whoever calls it
	Tools  map[string]Bounds `yaml:"tools"`           // :: name of a tool → its own in place of Tool
}

// Bounds are how much of something there may be; a member that is zero is no bound. They hold for one process.
type Bounds struct {
	PerMinute      int   `yaml:"per_minute"`       // requests
	AtOnce         int   `yaml:"at_once"`          // requests that have not ended
	BytesPerMinute int64 `yaml:"bytes_per_minute"` // of request bodies
}

// WithDefaults fills in what is zero.
func (l Limits) WithDefaults() Limits {
	if l.Body == 0 {
		l.Body = 4 << 20
	}
	if l.News == 0 {
		l.News = 10 * time.Second
	}
	if l.Caller.AtOnce == 0 {
		l.Caller.AtOnce = 1024
	}
	l.Tools = maps.Clone(l.Tools)
	return l
}
