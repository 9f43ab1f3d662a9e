package verify

import (
	"slices"
	"strings"
	"time"
)

// notice takes what the log says about itself.
func (o *order) notice(e *Entry, at place) {
	var n noticed
	if n.place = at; e.Notice != nil {
		n.note = *e.Notice
	}
	switch e.Code {
	case Started:
		if o.origin != "" && e.About != o.origin {
			o.say(o.wrong, at, "the process writes the log %s, not %s", e.About, o.origin)
		}
	case Dropped:
		o.dropped += int64(e.Count)
	case KeyChange:
		o.rotations = append(o.rotations, n)
	case Gap:
		o.gaps = append(o.gaps, n)
	case Retention:
		o.retention(n)
	case Held:
		o.holds = append(o.holds, n)
	case Released:
		o.holds = slices.DeleteFunc(o.holds, func(h noticed) bool { return h.note.From == n.note.From && h.note.To == n.note.To })
	}
}

// retention takes a notice that bodies were deleted, of which none may be held.
func (o *order) retention(n noticed) {
	from := n.note.From
	for _, r := range o.retentions {
		from = max(from, r.note.To)
	}
	for _, h := range o.holds {
		if from < h.note.To && h.note.From < n.note.To {
			o.say(o.wrong, n.place, "records %d to %d were deleted, though record %d holds those from %d to %d", from, n.note.To-1, h.index, h.note.From, h.note.To-1)
		}
	}
	o.retentions = append(o.retentions, n)
}

// wrong is what breaks the schema in a record; empty: nothing does. Unknown members do not come this far.
func (e *Entry) wrong(index int64) string {
	switch {
	case e.ID == "" || e.Code == "" || e.Node == "" || e.Boot == "" || e.Seq < 1:
		return "it lacks its id, code, node, boot or number"
	case e.Seq == 1 != (e.Code == Started):
		return "the first record of a process, and no other, is " + Started
	case !validTime(e.Time):
		return "its time is none in UTC"
	case (e.Phase == Notice) != strings.HasPrefix(e.Code, "log."):
		return "code " + e.Code + " does not go with phase " + e.Phase
	case (e.Phase == Outcome) != (e.Result != ""):
		return "an outcome, and nothing else, has a result"
	case e.Sealed != "" && e.Sealed != "args" && e.Sealed != "full":
		return "nothing is sealed at a level " + e.Sealed
	}
	switch e.Phase {
	case Intent, Outcome, Refusal:
		if e.Notice != nil {
			return "only a notice has the rest of one"
		}
		return ""
	case Notice:
		return e.wrongNotice(index)
	}
	return "its phase " + e.Phase + " is not known"
}

func (e *Entry) wrongNotice(index int64) string {
	n := e.Notice
	switch e.Code {
	case Started, Alive, Unwitness:
	case Dropped:
		if e.Count < 1 {
			return "it says that nothing was dropped"
		}
	case KeyChange:
		if n == nil || n.Old == "" || n.New == "" || n.Signed == "" {
			return "it lacks a key or the old key's signature"
		}
	case Gap:
		if n == nil || n.From < 0 || n.To <= n.From {
			return "it names no records"
		}
	case Held, Released:
		if n == nil || n.From < 0 || n.To <= n.From {
			return "it names no records"
		}
	case Retention:
		if n == nil || n.From < 0 || n.To <= n.From || n.To > index || n.Root == "" {
			return "it names no records before it, or no tree"
		}
	default:
		return "code " + e.Code + " is not known"
	}
	return ""
}

func validTime(s string) bool {
	_, err := time.Parse(time.RFC3339Nano, s)
	return err == nil && strings.HasSuffix(s, "Z")
}
