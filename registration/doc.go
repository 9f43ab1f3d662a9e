// Package registration answers which client this is and whether it may be here: listed by the operator, registered by
// itself (RFC 7591), or described by its client ID metadata document. One value, three sources.
//
// It grants nothing: what a client may ask for is said here, what it gets is authserver's (rule 14). Equal public
// registrations are one client, whose answer holds no secret and no management token. Of RFC 7591 it leaves out software
// statements, and of RFC 7592 everything.
package registration
