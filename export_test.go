package doorward

import (
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/token"
)

// Hasten is what every request's body goes through, with the bound as an argument.
var Hasten = hasten

// Paths are those of everything that an installation answers besides its servers, without the patterns' methods and wildcards.
func Paths(i *Installation) (all []string) {
	for pattern := range i.live.Load().as.Routes() {
		all = append(all, pattern)
	}
	for pattern := range i.live.Load().pages.Routes() {
		if _, path, ok := strings.Cut(pattern, " "); ok {
			pattern = strings.TrimSuffix(path, "{$}")
		}
		all = append(all, pattern)
	}
	return append(all, "/register")
}

// PaceStreams is paceStreams.
var PaceStreams = paceStreams

// Access is an access token of an installation's own.
func Access(i *Installation, now time.Time, c token.Claims) (string, error) {
	return i.live.Load().as.Ring().Access(now, c)
}
