package doorward

import (
	"io"
	"net/http"
	"time"
)

// bodyTime is how long a request's body may take to come. A request is judged by the time at which it began: one that could
// be held open at will would still find a code good, or a refresh token in its window, long after.
const bodyTime = 30 * time.Second

// hasten gives the body of r until d from now. What the answer may take is not bounded: streams last.
func hasten(w http.ResponseWriter, r *http.Request, d time.Duration) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	c := http.NewResponseController(w)
	if c.SetReadDeadline(time.Now().Add(d)) != nil {
		return // not a connection of net/http's: a test's recorder, whose body is there already
	}
	r.Body = &hastened{r.Body, c}
}

type hastened struct {
	io.ReadCloser
	c *http.ResponseController
}

// Read lifts the bound at the body's end: from then on the connection is read only to see whether the client goes away.
func (b *hastened) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.c.SetReadDeadline(time.Time{})
	}
	return n, err
}
