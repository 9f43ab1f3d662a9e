package fetch

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// freshUntil returns when an answer that was asked for at began must be read again (RFC 9111 §4.2): began itself if it may not be kept or
// contradicts itself, the zero time if its headers say nothing. We keep one copy for many people, so s-maxage is ours (§5.2.2.10).
// Heuristic freshness (§4.2.2) is the caller's default; Pragma and validators are left out.
func freshUntil(h http.Header, began time.Time) time.Time {
	lifetime, known := lifetimeOf(h, began)
	if !known {
		return time.Time{}
	}
	age, ok := seconds(h.Get("Age"))
	if !ok {
		age = 0 // RFC 9111 §5.1: an invalid Age is ignored
	}
	return began.Add(max(lifetime-age, 0))
}

func lifetimeOf(h http.Header, began time.Time) (lifetime time.Duration, known bool) {
	directives, keep := cacheControl(h)
	if !keep {
		return 0, true
	}
	for _, name := range []string{"s-maxage", "max-age"} {
		if value, ok := directives[name]; ok {
			lifetime, _ := seconds(value) // RFC 9111 §4.2.1: an invalid lifetime means stale
			return lifetime, true
		}
	}
	if h.Get("Expires") == "" {
		return 0, false
	}
	// RFC 9111 §5.3: an invalid date, above all 0, is one in the past.
	expires, err := http.ParseTime(h.Get("Expires"))
	if err != nil {
		return 0, true
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		date = began
	}
	return expires.Sub(date), true
}

// cacheControl returns the directives by their lower-case names. keep is false if the answer must be read again at every use, or says
// two things at once.
func cacheControl(h http.Header) (directives map[string]string, keep bool) {
	directives = map[string]string{}
	for part := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.Trim(strings.TrimSpace(value), `"`)
		if before, seen := directives[name]; seen && name != "" && before != value {
			return nil, false
		}
		directives[name] = value
	}
	_, noStore := directives["no-store"]
	_, noCache := directives["no-cache"]
	return directives, !noStore && !noCache
}

// seconds reads delta-seconds (RFC 9111 §1.2.2), of which a value past 2^31 means 2^31.
func seconds(s string) (time.Duration, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		n = 1 << 31
	}
	return time.Duration(n) * time.Second, true
}
