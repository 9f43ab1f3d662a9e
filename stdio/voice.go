package stdio

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of what a process may write into our log.
const (
	maxVoice     = 4 << 10 // bytes of a line
	voicesASpell = 100     // lines in a spell
	dropsASpell  = 1       // times in a spell that dropped messages are said
	voiceSpell   = time.Second
)

// voice writes what a process says beside MCP to the log, a line a record, and no more than the log can bear.
type voice struct {
	log  *slog.Logger
	now  func() time.Time
	most int // lines in a spell

	mu    sync.Mutex // guards what follows
	since time.Time
	lines int
	lost  int
}

// run reads standard error to its end.
func (v *voice) run(r io.Reader, some *atomic.Bool) {
	b := bufio.NewReaderSize(r, maxVoice)
	cut := false // the line goes on beyond its bound
	for {
		part, err := b.ReadSlice('\n')
		if text := strings.TrimSpace(string(part)); text != "" && !cut {
			some.Store(true)
			v.say("server process says", text)
		}
		cut = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !cut {
			return
		}
	}
}

// over says at the end how much was not logged.
func (v *voice) over() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.missed()
}

// missed is called with mu held.
func (v *voice) missed() {
	if v.lost > 0 {
		v.log.Warn("more was said of a server process than is logged", "lines", v.lost)
	}
	v.lost = 0
}

// say logs one line, unless there were too many.
func (v *voice) say(what, text string) {
	v.mu.Lock()
	now := v.now()
	if spent := now.Sub(v.since); spent < 0 || spent >= voiceSpell {
		v.missed()
		v.since, v.lines, v.lost = now, 0, 0
	}
	v.lines++
	heard := v.lines <= v.most
	if !heard {
		v.lost++
	}
	v.mu.Unlock()
	if heard {
		v.log.Info(what, "text", text[:min(len(text), maxVoice)])
	}
}
