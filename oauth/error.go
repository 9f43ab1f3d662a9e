package oauth

import "encoding/json"

// Error is an answer that goes on the wire. Everything else that fails is logged and answered server_error.
type Error struct {
	Status      int        // the HTTP status; 0 counts as 400
	Code        string     // the RFC's error code
	Description string     // what failed, why and what to do, for a person; ASCII without quotes (RFC 6749 §5.2)
	Reason      string     // ours: stable, finer than Code, for logs and tests
	RequestID   string     // filled in by whoever answers
	Challenge   *Challenge // nil: the answer carries no WWW-Authenticate
	RetryAfter  int        // seconds; 0: the answer carries no Retry-After
}

func (e *Error) Error() string { return e.Code + ": " + e.Description }

// HTTPStatus is the status to answer with.
func (e *Error) HTTPStatus() int {
	if e.Status == 0 {
		return 400
	}
	return e.Status
}

// Body is the JSON of the answer. RFC 6749 §5.2; request_id is ours.
func (e *Error) Body() []byte {
	b, err := json.Marshal(struct {
		Code        string `json:"error"`
		Description string `json:"error_description,omitempty"`
		RequestID   string `json:"request_id,omitempty"`
	}{e.Code, e.Description, e.RequestID})
	if err != nil {
		panic("oauth: an error of strings cannot fail to encode: " + err.Error())
	}
	return append(b, '\n')
}

// InvalidRequest is the error of a request that is malformed. RFC 6749 §5.2.
func InvalidRequest(reason, description string) *Error {
	return &Error{Status: 400, Code: "invalid_request", Reason: reason, Description: description}
}

// InvalidGrant is the error of a code, refresh token or assertion that is no good. RFC 6749 §5.2.
func InvalidGrant(reason, description string) *Error {
	return &Error{Status: 400, Code: "invalid_grant", Reason: reason, Description: description}
}

// InvalidTarget is the error of a resource that is unknown or not granted. RFC 8707 §2.
func InvalidTarget(reason, description string) *Error {
	return &Error{Status: 400, Code: "invalid_target", Reason: reason, Description: description}
}

// InvalidClient is the error of a client that is unknown or did not authenticate. RFC 6749 §5.2: 401.
func InvalidClient(reason, description string) *Error {
	return &Error{Status: 401, Code: "invalid_client", Reason: reason, Description: description}
}

// ServerError is the answer when the fault is ours; the cause is in the log under the request's id. RFC 6749 §4.1.2.1.
func ServerError() *Error {
	return &Error{Status: 500, Code: "server_error", Reason: "internal", Description: "something failed on our side; the log has it under the request id"}
}
