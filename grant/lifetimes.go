package grant

import "time"

// Lifetimes of grants and of what they give. A member that is zero is its default, which WithDefaults names.
type Lifetimes struct {
	Access       time.Duration `yaml:"access_token"`
	RefreshIdle  time.Duration `yaml:"refresh_idle"` // since the last use
	RefreshMost  time.Duration `yaml:"refresh_most"` // since the authorization
	RefreshGrace time.Duration `yaml:"refresh_grace"`
	Code         time.Duration `yaml:"code"`
}

// WithDefaults fills in what is zero.
func (l Lifetimes) WithDefaults() Lifetimes {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	const day = 24 * time.Hour
	set(&l.Access, 10*time.Minute)
	set(&l.RefreshIdle, 30*day)
	set(&l.RefreshMost, 180*day)
	set(&l.RefreshGrace, 30*time.Second)
	set(&l.Code, time.Minute)
	return l
}
