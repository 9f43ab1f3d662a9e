package stdio

// Stats is how it stands with a pool.
type Stats struct {
	Running  int // processes that have spoken and not ended
	Starting int // processes that have not spoken yet
	Failed   int // processes, ever, that ended before they had spoken and without our wanting it
}

// Stats counts.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Failed: p.failed}
	for q := range p.running {
		if q.spoke.Load() {
			s.Running++
		} else {
			s.Starting++
		}
	}
	return s
}
