package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
)

// serve is the path of one request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) error {
	call, err := s.guard.Admit(r, policy.Redact)
	if err != nil {
		return err
	}
	defer s.guard.Done(call)
	if call.Nonce != "" {
		w.Header().Set("DPoP-Nonce", call.Nonce) // RFC 9449 §8.2
	}
	if call, err = s.openSession(call); err != nil {
		return s.refused(r, call, "session", err)
	}
	if err = s.ownTasks(call); err != nil {
		return s.refused(r, call, "task_owner", err)
	}
	redact, err := s.asks(call)
	if err != nil {
		return s.refused(r, call, "redaction", err) // too many pointers together: the guard has read each
	}
	life, end := s.lifetime(r.Context(), call)
	defer end(nil)
	defer s.guard.Attend(life, call, end)()
	life, span := s.trace(life, r, call)
	var rest *answer
	_, err = s.c.Log.Do(r.Context(), s.record(call), func(_ context.Context, in audit.Intent) (out audit.Outcome, err error) {
		defer func() { traced(span, out, err) }()
		a, out, err := s.answered(life, w, r, call, redact, in.ID(), end)
		if err != nil {
			return out, err
		}
		w.Header().Set(ReceiptHeader, in.ID())
		rest, a.keeps = a, in.Full()
		rest.begin()
		out, err = rest.run()
		return cut(out, err), err
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

// answered is the upstream's answer, of which nothing has reached the client. With an error there is none, and out says why.
func (s *Server) answered(life context.Context, w http.ResponseWriter, r *http.Request, call guard.Call, redact map[string]*mcp.Redaction, id string, end context.CancelCauseFunc) (a *answer, out audit.Outcome, err error) {
	res, err := s.ask(life, r, call)
	if errors.Is(context.Cause(life), guard.ErrRevoked) {
		if err == nil {
			_ = res.Body.Close()
		}
		return nil, cut(out, guard.ErrRevoked), s.guard.TakenBack(r)
	}
	if err != nil {
		return nil, failed(err), err
	}
	if session := res.Header.Get(sessionHeader); session != "" && s.c.Box != nil {
		if session, err = s.sealSession(r, call, session); err != nil {
			return nil, out, errors.Join(err, res.Body.Close())
		}
		res.Header.Set(sessionHeader, session)
	}
	a = s.answer(life, w, call, redact, id, res, end)
	if err := a.open(res); err != nil {
		if errors.Is(context.Cause(life), guard.ErrRevoked) {
			return nil, cut(out, guard.ErrRevoked), s.guard.TakenBack(r)
		}
		return nil, failed(err), err
	}
	return a, out, nil
}

// ask sends the call to the upstream, and once again with another credential if it refuses one that can be renewed: it
// did not take the call then. Its errors are answers.
func (s *Server) ask(ctx context.Context, r *http.Request, call guard.Call) (*http.Response, error) {
	res, sent, err := s.send(ctx, r, call)
	if err == nil && refusedUs(res.StatusCode) && s.c.Renew != nil && s.c.Renew(call, sent) {
		_ = res.Body.Close()
		res, _, err = s.send(ctx, r, call)
	}
	if err != nil {
		return nil, err
	}
	if err = checkStatus(call, res); err == nil && s.c.SSE {
		err = s.oldAnswer(r, call, res)
	}
	return res, err
}

// send is one sending. sent are the headers that the upstream got.
func (s *Server) send(ctx context.Context, r *http.Request, call guard.Call) (res *http.Response, sent http.Header, err error) {
	out, err := s.outgoing(ctx, r, call)
	if err != nil {
		return nil, nil, err
	}
	if s.c.SSE {
		if out.URL, err = s.oldAddress(r, call); err != nil {
			return nil, nil, err
		}
	}
	res, err = s.c.Upstream(call).RoundTrip(out)
	if err != nil {
		s.c.Slog.WarnContext(r.Context(), "upstream", "request", call.Request.ID, "server", call.Server, "error", err)
		return nil, nil, unreachable(call, err)
	}
	return res, out.Header, nil
}
