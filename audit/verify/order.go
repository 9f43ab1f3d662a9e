package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// leeway is how far a process's clock may go back without a word.
const leeway = 30 * time.Second

// order follows what the records say of their own order: who wrote them, in which number, and what came of each intent.
type order struct {
	wrong, warn func(Finding)
	origin      string    // "": no checkpoint has said it
	now         time.Time // of the record that was taken last

	boots   map[string]*boot  // :: node and boot → the process
	nodes   map[string]*boot  // :: node → the process that began last
	open    map[string]intent // :: id → intent without an outcome
	bundles map[string]place  // :: digest → where it stands first

	holes      bool // records are gone: sequences may jump once and intents may be among them
	orphans    int
	dropped    int64
	gone       []hole
	rotations  []noticed
	retentions []noticed
	gaps       []noticed
	holds      []noticed
}

// boot is one process's share of the log.
type boot struct {
	name   string
	seq    int64
	loose  bool      // records are gone since its last one
	now    time.Time // of its latest record
	open   int       // its intents without an outcome
	before []*boot   // earlier processes of its node whose intents were open when it began
	late   bool      // its clock was said to go back
}

type intent struct {
	boot *boot
	code string
	at   place
}

// place is where a record stands.
type place struct {
	index  int64
	file   string
	offset int64
}

// noticed is a notice of the log about itself.
type noticed struct {
	place
	note Note
}

// hole is records whose bodies are not there.
type hole struct {
	from, to int64
	file     string
}

func newOrder() *order {
	return &order{boots: map[string]*boot{}, nodes: map[string]*boot{}, open: map[string]intent{}, bundles: map[string]place{}}
}

func (o *order) say(say func(Finding), at place, format string, a ...any) {
	say(Finding{at.index, at.file, at.offset, fmt.Sprintf(format, a...), "the records are as they were signed: ask who runs the log"})
}

// missing takes note of bodies that are not there.
func (o *order) missing(from, to int64, file string) {
	o.gone = append(o.gone, hole{from, to, file})
	o.damaged()
}

// damaged lets sequences jump once. What is open may have got its outcome among what is gone.
func (o *order) damaged() {
	o.holes = true
	for _, b := range o.boots {
		b.loose, b.open = true, 0
	}
	clear(o.open)
}

// take takes the next record.
func (o *order) take(r *record) {
	e, at := &r.entry, place{r.index, r.file, r.offset}
	if what := e.wrong(r.index); what != "" {
		o.say(o.wrong, at, "the record breaks the schema: %s", what)
	}
	o.now, _ = time.Parse(time.RFC3339Nano, e.Time)
	b := o.boot(e, at)
	if b.now.Sub(o.now) > leeway && !b.late {
		b.late = true
		o.say(o.warn, at, "the clock of node %s has gone back by %s", e.Node, b.now.Sub(o.now).Round(time.Second))
	}
	if o.now.After(b.now) {
		b.now = o.now
	}
	if e.Policy != nil {
		o.bundle(e.Policy.Bundle, at)
	}
	switch e.Phase {
	case Intent:
		o.intent(e, b, at)
	case Outcome:
		o.outcome(e, b, at)
	case Notice:
		o.notice(e, at)
	case Refusal:
		o.served(b)
	}
}

// boot is the process that wrote a record, whose number must be the next one.
func (o *order) boot(e *Entry, at place) *boot {
	key := e.Node + "\x00" + e.Boot
	b := o.boots[key]
	if b == nil {
		b = &boot{name: e.Boot, loose: o.holes}
		if e.Code == Started {
			b.loose = false
		}
		o.begin(e, b)
		o.boots[key] = b
		if e.Code != Started && !o.holes {
			o.say(o.wrong, at, "process %s of node %s writes and has not begun: records are missing before this one", e.Boot, e.Node)
			b.loose = true
		}
	} else if e.Code == Started {
		o.say(o.wrong, at, "process %s of node %s begins a second time", e.Boot, e.Node)
	}
	if want := b.seq + 1; e.Seq < want || e.Seq > want && !b.loose {
		o.say(o.wrong, at, "process %s of node %s writes its record %d where %d must be: records are missing, repeated or swapped", e.Boot, e.Node, e.Seq, want)
	}
	b.seq, b.loose = max(e.Seq, b.seq), false
	return b
}

// begin makes a process the last of its node. Those before it have ended: their open intents must get an outcome now.
func (o *order) begin(e *Entry, b *boot) {
	if last := o.nodes[e.Node]; last != nil {
		for _, p := range append(last.before, last) {
			if p.open > 0 {
				b.before = append(b.before, p)
			}
		}
		last.before = nil
	}
	o.nodes[e.Node] = b
}

// served is called when a process begins to serve: what its forerunners left open must be closed by then.
func (o *order) served(b *boot) {
	for _, p := range b.before {
		if p.open == 0 {
			continue
		}
		id := o.firstOpen(p)
		o.say(o.wrong, o.open[id].at, "the act %s has no outcome, though its process has ended and another one of its node works", id)
	}
	b.before = nil
}

func (o *order) firstOpen(b *boot) string {
	first := ""
	for id, i := range o.open {
		if i.boot == b && (first == "" || i.at.index < o.open[first].at.index) {
			first = id
		}
	}
	return first
}

func (o *order) intent(e *Entry, b *boot, at place) {
	o.served(b)
	if _, twice := o.open[e.ID]; twice {
		o.say(o.wrong, at, "the act %s has two intents", e.ID)
		return
	}
	b.open++
	o.open[e.ID] = intent{b, e.Code, at}
}

func (o *order) outcome(e *Entry, b *boot, at place) {
	i, open := o.open[e.ID]
	switch {
	case !open && o.holes:
		o.orphans++
		return
	case !open:
		o.say(o.wrong, at, "the outcome of %s has no intent, or is its second one", e.ID)
		return
	case i.code != e.Code:
		o.say(o.wrong, at, "the outcome of %s is of %s, its intent of %s", e.ID, e.Code, i.code)
	}
	i.boot.open--
	delete(o.open, e.ID)
	if e.Result != "unknown" {
		o.served(b)
	}
}

func (o *order) bundle(digest string, at place) {
	if _, there := o.bundles[digest]; !there && digest != "" {
		o.bundles[strings.Clone(digest)] = at
	}
}

// tell completes a report.
func (o *order) tell(r *Report) {
	r.Boots, r.Open, r.Orphans, r.Dropped = len(o.boots), len(o.open), o.orphans, o.dropped
	if len(o.gone) > 0 && o.gone[0].from == 0 {
		r.Deleted = o.gone[0].to
	}
}

// end judges what is missing, and which bundles have decided.
func (o *order) end(gaps []int64, bundles []string) {
	for _, g := range o.gaps {
		if !slices.Contains(gaps, g.index) {
			o.wrong(Finding{g.index, g.file, g.offset, fmt.Sprintf("an operator has accepted that records %d to %d are missing", g.note.From, g.note.To-1),
				fmt.Sprintf("ask what happened; whoever knows it verifies with --gap %d", g.index)})
		}
	}
	for _, h := range o.gone {
		if !o.explained(h) {
			o.wrong(Finding{h.from, h.file, 0, fmt.Sprintf("records %d to %d are missing, and no notice says that they were deleted", h.from, h.to-1), restore})
		}
	}
	if len(bundles) == 0 {
		return
	}
	for digest, at := range o.bundles {
		if !slices.Contains(bundles, digest) {
			o.say(o.wrong, at, "policy bundle %s has decided, which is not one of those that are known", digest)
		}
	}
}

// explained is whether notices say why bodies are gone. Notices of earlier retention may be gone themselves: the last one counts.
func (o *order) explained(h hole) bool {
	for _, r := range o.retentions {
		if r.note.To >= h.to {
			return true
		}
	}
	for _, g := range o.gaps {
		if g.note.From <= h.from && g.note.To >= h.to {
			return true
		}
	}
	return false
}

// gapped is whether a notice accounts for a signed tree that is not the log's.
func (o *order) gapped(size int64) bool {
	return slices.ContainsFunc(o.gaps, func(g noticed) bool { return g.note.From < size && size <= g.note.To })
}
