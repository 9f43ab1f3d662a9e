package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
)

// serve is the path of one request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) error {
	call, err := s.guard.Admit(r)
	if err != nil {
		return err
	}
	if call.Nonce != "" {
		w.Header().Set("DPoP-Nonce", call.Nonce) // RFC 9449 §8.2
	}
	if call, err = s.openSession(call); err != nil {
		return s.noSession(r, call, err)
	}
	life, end := s.lifetime(r.Context(), call)
	defer end(nil)
	var rest *answer
	_, err = s.c.Log.Do(r.Context(), call.Record(), func(_ context.Context, in audit.Intent) (audit.Outcome, error) {
		res, err := s.ask(life, r, call)
		if err != nil {
			return audit.Outcome{Result: "upstream"}, err
		}
		if id := res.Header.Get(sessionHeader); id != "" && s.c.Box != nil {
			if id, err = s.sealSession(r, call, id); err != nil {
				return audit.Outcome{}, errors.Join(err, res.Body.Close())
			}
			res.Header.Set(sessionHeader, id)
		}
		w.Header().Set("Doorward-Receipt", in.ID())
		rest = s.begin(w, call, res, end)
		return rest.run()
	})
	if rest == nil {
		return err
	}
	defer rest.close()
	if err != nil { // the answer has begun: it cannot become an error any more, and it must not look whole
		if !errors.Is(err, errGone) {
			s.c.Slog.WarnContext(r.Context(), "answer broken off", "request", call.Request.ID, "server", call.Server, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
	rest.release()
	return nil
}

// ask sends the call to the upstream. Its errors are answers.
func (s *Server) ask(ctx context.Context, r *http.Request, call guard.Call) (*http.Response, error) {
	out, err := s.outgoing(ctx, r, call)
	if err != nil {
		return nil, err
	}
	res, err := s.c.Upstream(call).RoundTrip(out)
	if err != nil {
		s.c.Slog.WarnContext(r.Context(), "upstream", "request", call.Request.ID, "server", call.Server, "error", err)
		return nil, unreachable(call, err)
	}
	return res, checkStatus(call, res)
}
