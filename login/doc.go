// Package login answers who the human is, by password or by a one-time link. It knows people and sessions; it knows no
// client, no authorization request and no HTML.
//
// A person of ours is a Principal whose issuer is ours and whose subject is random: a name can be given away, a subject
// cannot. A session is a cookie whose hash is a row; it ends by itself, an hour after it was last used and twelve hours
// after it began.
package login
