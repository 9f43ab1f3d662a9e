package client

import (
	"errors"
	"fmt"
	"strings"
)

// What a caller can test for. Every error of signing in, from discovery to the token answer, wraps ErrSignIn.
var (
	ErrSignIn   = errors.New("sign-in failed")
	ErrDenied   = errors.New("the authorization was denied")     // by the person or the authorization server
	ErrNobody   = errors.New("nobody is here to sign in")        // the Transport has no Browser and no usable token
	ErrNotFound = errors.New("nothing is kept under this key")   // of a Keeper
	errStale    = errors.New("the kept tokens are no good")      // refreshing was refused for good
	errClient   = errors.New("the client id is not known there") // invalid_client
)

// AnswerError is an OAuth error that an authorization server answered: code and description as RFC 6749 §5.2 has
// them, cut to printable ASCII of a bounded length, because a stranger wrote them.
type AnswerError struct{ Code, Description string }

func (e *AnswerError) Error() string {
	if e.Description == "" {
		return e.Code
	}
	return e.Code + ": " + e.Description
}

// Is makes access_denied match ErrDenied and invalid_client errClient.
func (e *AnswerError) Is(target error) bool {
	return target == ErrDenied && e.Code == "access_denied" || target == errClient && e.Code == "invalid_client"
}

func answerError(code, description string) *AnswerError {
	return &AnswerError{printable(code, 64), printable(description, 300)}
}

// printable keeps a stranger's text from steering a terminal.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}

// differ says where two addresses part, for a person who must find one character.
func differ(what, want, got string) error {
	at := 0
	for at < len(want) && at < len(got) && want[at] == got[at] {
		at++
	}
	return fmt.Errorf("%s is %q, it must be %q (they part at character %d)", what, printable(got, 300), want, at+1)
}
