package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// point is a checkpoint, as far as it has to be understood here. Signatures are judged elsewhere.
type point struct {
	note   []byte
	size   int64
	root   tlog.Hash
	signed int // signatures under the log's own name
}

// readPoint reads the text of a C2SP tlog-checkpoint: origin, size and root, a line each.
func readPoint(signed []byte) (point, error) {
	text, signatures, ok := strings.Cut(string(signed), "\n\n")
	lines := strings.Split(text, "\n")
	if !ok || len(lines) < 3 || lines[0] == "" {
		return point{}, errors.New("reading a checkpoint: it has no origin, size and root, or no signature")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return point{}, fmt.Errorf("reading a checkpoint: %.40q is no size", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return point{}, fmt.Errorf("reading a checkpoint: the root of size %d: %w", size, err)
	}
	p := point{note: bytes.Clone(signed), size: size, root: root}
	for line := range strings.Lines(signatures) {
		if strings.HasPrefix(line, "— "+lines[0]+" ") {
			p.signed++
		}
	}
	return p, nil
}

// loadPoint reads the newest checkpoint; the zero point if there is none.
func loadPoint(dir string) (point, error) {
	b, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err == nil {
		return readPoint(b)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return point{}, err
	}
	earlier, err := loadPoints(dir)
	if err != nil || len(earlier) == 0 {
		return point{}, err
	}
	return earlier[len(earlier)-1], nil
}

// loadPoints reads the earlier checkpoints.
func loadPoints(dir string) ([]point, error) {
	all, _, err := readFrames(dir, "checkpoints.log")
	if err != nil {
		return nil, err
	}
	points := make([]point, len(all))
	for i, one := range all {
		if points[i], err = readPoint(one); err != nil {
			return nil, fmt.Errorf("checkpoint %d of checkpoints.log: %w", i, err)
		}
	}
	return points, nil
}
