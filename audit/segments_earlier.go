package audit

import "context"

// Earlier are at most n checkpoints of trees larger than after, the smallest first. Those who copy the log ask for them.
func (s *Segments) Earlier(_ context.Context, after int64, n int) (notes [][]byte, last int64, err error) {
	s.points.Lock()
	defer s.points.Unlock()
	all, err := loadPoints(s.dir)
	if err != nil {
		return nil, after, err
	}
	last = after
	for _, p := range all {
		if p.size > last && len(notes) < n {
			notes, last = append(notes, p.note), p.size
		}
	}
	return notes, last, nil
}
