package token

import "log/slog"

// Secret is text that must not be seen: however it is printed, logged or encoded, it reads [redacted].
// The zero Secret is empty.
type Secret struct{ v string }

// NewSecret wraps v.
func NewSecret(v string) Secret { return Secret{v} }

// Reveal is the text itself, for the one place that needs it.
func (s Secret) Reveal() string { return s.v }

// Empty reports whether there is nothing to hide.
func (s Secret) Empty() bool { return s.v == "" }

const redacted = "[redacted]"

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
