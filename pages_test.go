package doorward_test

import (
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The pages' pictures stand in docs/screens, each page at phone and desktop width, light and dark.
func TestScreens(t *testing.T) {
	for _, page := range []string{"sign-in", "consent", "problem", "home"} {
		for look, width := range map[string]int{"phone": 390, "desktop": 1280} {
			for _, scheme := range []string{"light", "dark"} {
				name := fmt.Sprintf("%s-%s-%s.png", page, look, scheme)
				f, err := os.Open(filepath.Join("docs", "screens", name))
				if err != nil {
					t.Error(err)
					continue
				}
				c, err := png.DecodeConfig(f)
				if err != nil || c.Width != width {
					t.Errorf("%s is %d wide, %v; want %d", name, c.Width, err, width)
				}
				_ = f.Close()
			}
		}
	}
}

// Figures without their date and commit say nothing.
func TestPerformancePage(t *testing.T) {
	b, err := os.ReadFile("docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if !regexp.MustCompile(`20\d\d-\d\d-\d\d, commit [0-9a-f]{7,40}`).MatchString(text) {
		t.Error("docs/performance.md names no date and commit")
	}
	for _, row := range []string{"direct", "ReverseProxy, stock", "ReverseProxy, raised", "doorward", "/token", "start to first 401", "resident memory at rest", "SSE answers", "make bench"} {
		if !strings.Contains(text, row) {
			t.Errorf("docs/performance.md says nothing of %q", row)
		}
	}
}
