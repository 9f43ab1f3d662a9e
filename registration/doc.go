// Package registration answers which client this is and whether it may be here: listed by the operator, registered by
// itself (RFC 7591), or described by its client ID metadata document. One value, three sources.
//
// It grants nothing: what a client may ask for is said here, what it gets is authserver's (rule 14). Equal public
// registrations are one client, whose answer holds no secret and no management token; a client with credentials of its
// own manages its registration (RFC 7592). A document is read by one reader at a time, is used while it is fresh and
// never after, and is not stored, except that in review the address stands in the store until an administrator says yes.
//
// The Policy applies to dynamic clients and documents alike, and never to those that the operator lists. Of RFC 7592 it
// leaves out that a secret is shown again: only its hash is kept.
package registration
