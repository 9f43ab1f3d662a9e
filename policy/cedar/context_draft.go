package cedar

import (
	"sync"

	"github.com/cedar-policy/cedar-go/types"
)

// drafts are records in the making, one within another. What a record is made of is copied, so that the room for it is used
// again: of a call it would be most of what is allocated.
type drafts struct {
	all    []types.RecordMap
	within int // how many are open
}

// spareDrafts is room that nobody uses. What lies in it is empty: see drafts.end.
var spareDrafts = sync.Pool{New: func() any { return new(drafts) }}

// begin opens a record, into which members go until it ends.
func (d *drafts) begin() types.RecordMap {
	if d.within == len(d.all) {
		d.all = append(d.all, make(types.RecordMap, smallRecord))
	}
	d.within++
	return d.all[d.within-1]
}

// smallRecord is how many members a map holds before it grows into one that is slow to copy.
const smallRecord = 8

// end closes the record that was opened last.
func (d *drafts) end() types.Record {
	d.within--
	m := d.all[d.within]
	r := types.NewRecord(m)
	if len(m) > smallRecord {
		d.all[d.within] = make(types.RecordMap, smallRecord)
	} else {
		clear(m)
	}
	return r
}

// record is a record of members. of says what one is; nil: it is not there.
func (d *drafts) record(members []string, of func(string) types.Value) types.Record {
	m := d.begin()
	for _, name := range members {
		if v := of(name); v != nil {
			m[types.String(name)] = v
		}
	}
	return d.end()
}
