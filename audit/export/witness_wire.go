package export

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Bounds of what witnesses and logs say to each other.
const (
	maxConsistency = 63       // hashes, by C2SP tlog-witness
	maxSubmission  = 64 << 10 // bytes of a request
	maxCosigned    = 16 << 10 // bytes of an answer
)

var errSubmission = errors.New("not a submission of a checkpoint")

// submission is the body of add-checkpoint.
type submission struct {
	old        int64
	proof      tlog.TreeProof
	checkpoint []byte
}

func (s submission) text() []byte {
	b := fmt.Appendf(nil, "old %d\n", s.old)
	for _, h := range s.proof {
		b = append(b, h.String()+"\n"...)
	}
	return append(append(b, '\n'), s.checkpoint...)
}

// readSubmission reads a body strictly: one spelling of each number and hash.
func readSubmission(body []byte) (submission, error) {
	head, checkpoint, ok := strings.Cut(string(body), "\n\n")
	lines := strings.Split(head, "\n")
	digits, old := strings.CutPrefix(lines[0], "old ")
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || !old || err != nil || n < 0 || strconv.FormatInt(n, 10) != digits || len(lines)-1 > maxConsistency {
		return submission{}, errSubmission
	}
	s := submission{old: n, checkpoint: []byte(checkpoint)}
	for _, line := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(h) != tlog.HashSize {
			return submission{}, errSubmission
		}
		s.proof = append(s.proof, tlog.Hash(h))
	}
	return s, nil
}
