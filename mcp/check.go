package mcp

import "net/textproto"

// revision is what a body without MCP-Protocol-Version means. An initialize says itself what it proposes; else the transport rules of
// 2025-06-18 say 2025-03-26 (TR-PV-DEFAULT). A proposal that we do not know is for the server to negotiate, not to be refused.
func (w *walker) revision() Revision {
	if !w.batch && w.parts[0].Method == "initialize" {
		proposed, _ := text(w.parts[0].params.initialize)
		if r := Revision(proposed); r.Sessions() {
			return r
		}
	}
	return V20250326
}

// check holds the body against the rules of its revision.
func (w *walker) check(r Revision, given bool, h textproto.MIMEHeader) *Error {
	if w.batch && !revisions[r].batches {
		return refuse(400, InvalidRequest, "revision %s has no batches", r)
	}
	for i := range w.parts {
		p := &w.parts[i]
		if p.Kind == KindResponse && !revisions[r].responses {
			return refuse(400, InvalidRequest, "in revision %s a client sends no responses", r)
		}
		if err := p.checkMeta(r, given); err != nil {
			return err
		}
	}
	if w.batch {
		return w.checkBatch()
	}
	if revisions[r].mirrored {
		return checkMirrored(h, w.parts[0].Operation)
	}
	return nil
}

// removed answers for methods that 2026-07-28 has no more and whose params are therefore not for us to judge: they are unknown before
// they are malformed (TR-METHOD-404). With the params that older revisions ask for they go to the server, whose answer is the same.
func (w *walker) removed(r Revision, err *Error) *Error {
	if r != V20260728 || err.Code != InvalidParams || w.batch || len(w.parts) != 1 {
		return err
	}
	switch method := w.parts[0].Method; method {
	case "resources/subscribe", "resources/unsubscribe", "tasks/result":
		return refuse(404, MethodNotFound, "revision %s has no method %s", r, method)
	}
	return err
}

// checkMeta compares the revision in _meta with the header's (TR-PV-MATCH, TR-PV-MISSING-REJECT, TR-META-MISSING-400). In older revisions
// the member means nothing, but a server that knows 2026-07-28 might go by it: there, too, it must not say something else.
func (p *part) checkMeta(r Revision, given bool) *Error {
	mirrored := revisions[r].mirrored
	stated, isText := text(p.params.revision)
	if p.params.revision == nil || !isText && !mirrored {
		if mirrored && p.Kind == KindRequest {
			return refuse(400, InvalidParams, "_meta lacks %s", metaRevision)
		}
		return nil
	}
	if !isText {
		return refuse(400, InvalidParams, "%s in _meta must be a string", metaRevision)
	}
	if stated != string(r) {
		code := InvalidRequest
		if mirrored || revisions[Revision(stated)].mirrored {
			code = HeaderMismatch
		}
		if !given {
			return refuse(400, code, "Header mismatch: MCP-Protocol-Version is missing, _meta states a version")
		}
		return refuse(400, code, "Header mismatch: MCP-Protocol-Version is not the version in _meta")
	}
	if mirrored && p.Kind == KindRequest && p.params.capabilities.Kind() != '{' {
		return refuse(400, InvalidParams, "_meta lacks %s", metaCapabilities)
	}
	return nil
}

// checkBatch refuses what makes the answers to a batch ambiguous, and an initialize among others (2025-03-26 lifecycle, Initialization).
func (w *walker) checkBatch() *Error {
	seen := make(map[string]bool, len(w.parts))
	for i := range w.parts {
		p := &w.parts[i]
		if p.Method == "initialize" {
			return refuse(400, InvalidRequest, "initialize must not stand in a batch")
		}
		if p.Kind != KindRequest {
			continue
		}
		if seen[p.ID] {
			return refuse(400, InvalidRequest, "the id %.60s stands twice in the batch", p.ID)
		}
		seen[p.ID] = true
	}
	return nil
}
