package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Mark notes how far a process had come. It is not durable.
func (s *Segments) Mark(_ context.Context, m Mark) error {
	s.points.Lock()
	defer s.points.Unlock()
	marks := maps.Clone(s.marks)
	marks[m.Node] = m
	b, err := json.Marshal(slices.SortedFunc(maps.Values(marks), func(a, b Mark) int { return strings.Compare(a.Node, b.Node) }))
	if err == nil {
		err = replaceFile(s.dir, "marks.json", b, false)
	}
	if err != nil {
		return fmt.Errorf("keeping a mark: %w", err)
	}
	s.marks = marks
	return nil
}

// Marks are what was noted, by node.
func (s *Segments) Marks(context.Context) ([]Mark, error) {
	s.points.Lock()
	defer s.points.Unlock()
	return slices.SortedFunc(maps.Values(s.marks), func(a, b Mark) int { return strings.Compare(a.Node, b.Node) }), nil
}

// loadMarks reads marks.json. What cannot be read of it is as if it had not been noted.
func loadMarks(dir string) map[string]Mark {
	marks := map[string]Mark{}
	b, err := os.ReadFile(filepath.Join(dir, "marks.json"))
	var all []Mark
	if err != nil || json.Unmarshal(b, &all) != nil {
		return marks
	}
	for _, m := range all {
		marks[m.Node] = m
	}
	return marks
}
