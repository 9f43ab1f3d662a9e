package audit

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// gone is how long another process must not have been seen before its open acts are closed for it.
const gone = time.Minute

// page is how many records are read at once.
const page = 1000

// begin closes what ended processes left open, and says that this one has begun: nobody waits yet, so that it writes by itself.
func (j *Journal) begin(ctx context.Context) error {
	left, past, floor, err := j.unfinished(ctx)
	if err != nil {
		return err
	}
	now := j.c.Now()
	started := verify.Entry{V: verify.Version, ID: rand.Text(), Code: verify.Started, Phase: verify.Notice, Time: stamp(now), About: j.c.Origin}
	all := []*verify.Entry{&started}
	for _, e := range left {
		all = append(all, &verify.Entry{V: verify.Version, ID: e.ID, Code: e.Code, Phase: verify.Outcome, Time: stamp(now), Result: "unknown", Reason: "process_ended",
			Subject: e.Subject, Client: e.Client, Grant: e.Grant, Server: e.Server})
	}
	for len(all) > 0 {
		n := min(len(all), most)
		leaves := make([][]byte, n)
		for i, e := range all[:n] {
			if leaves[i], err = j.encode(e); err != nil {
				return err
			}
		}
		first, err := j.c.Leaves.Append(ctx, leaves)
		if err != nil {
			return fmt.Errorf("writing the first records: %w", err)
		}
		j.durable.Store(first + int64(n))
		all = all[n:]
	}
	j.floor.Store(max(floor, j.durable.Load()))
	for _, m := range past { // their open acts are closed: nobody looks for them again
		m.Floor = j.floor.Load()
		if err := j.c.Checkpoints.Mark(ctx, m); err != nil {
			return err
		}
	}
	return j.Checkpoint(ctx)
}

// unfinished are the intents without an outcome of processes that have ended: earlier ones of this node, and others that were not
// seen for a minute.
func (j *Journal) unfinished(ctx context.Context) (left []verify.Entry, past []Mark, end int64, err error) {
	marks, err := j.c.Checkpoints.Marks(ctx)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("reading how far the last process had come: %w", err)
	}
	if end, err = j.c.Leaves.Size(ctx); err != nil {
		return nil, nil, 0, fmt.Errorf("reading the size of the log: %w", err)
	}
	from, alive, own := end, map[string]bool{}, false
	for _, m := range marks {
		if own = own || m.Node == j.c.Node; m.Node != j.c.Node && j.c.Now().Sub(m.Seen) < gone {
			alive[m.Node+" "+m.Boot] = true
			continue
		}
		from = min(from, m.Floor)
		if m.Node != j.c.Node {
			past = append(past, m)
		}
	}
	if !own { // nothing is known of this node's past
		from = 0
	}
	open, line := map[string]verify.Entry{}, []string(nil)
	for at := from; at < end; {
		leaves, err := j.c.Leaves.Read(ctx, at, page)
		if err != nil {
			return nil, nil, 0, fmt.Errorf("reading records from %d on: %w", at, err)
		}
		if len(leaves) == 0 {
			break
		}
		for _, b := range leaves {
			if b == nil { // a body that retention deleted
				continue
			}
			e, err := verify.Decode(b)
			if err != nil {
				return nil, nil, 0, fmt.Errorf("record %d: %w", at, err)
			}
			switch {
			case e.Phase == verify.Intent && !alive[e.Node+" "+e.Boot]:
				open[e.ID], line = e, append(line, e.ID)
			case e.Phase == verify.Outcome:
				delete(open, e.ID)
			}
		}
		at += int64(len(leaves))
	}
	for _, id := range line {
		if e, ok := open[id]; ok {
			left = append(left, e)
		}
	}
	return left, past, end, nil
}
