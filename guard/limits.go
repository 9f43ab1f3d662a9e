package guard

import "time"

// Limits of one resource; a member that is zero is the default beside it.
type Limits struct {
	Body int64         `yaml:"request_body"`    // bytes: 4 MiB
	News time.Duration `yaml:"revocation_news"` // how old the news of revocations may be: 10 s
}

func (l Limits) withDefaults() Limits {
	if l.Body == 0 {
		l.Body = 4 << 20
	}
	if l.News == 0 {
		l.News = 10 * time.Second
	}
	return l
}
