// Package grant answers what is left of an authorization: codes, refresh generations, lifetimes, ends. It is pure.
//
// The store reads a row, asks this package inside its transaction, and writes what it says; nothing else decides.
//
// A grant is one row for each completed authorization. Its code is redeemed once. Its refresh token is
//
//	dwr_ base64url( grant id, 16 bytes | epoch, 4 | generation, 4 | HMAC-SHA256, 32 )
//
// with the MAC under a secret of the grant. The row stores one generation n, so there is one line of succession:
//
//	g = n                                          rotates to n+1
//	g = n-1, in the window, same client and key    n once more; the window stays where it is
//	another g < n, in the window                   refused, the grant stands
//	g < n, after the window                        the grant is revoked
//	g > n, or a foreign epoch                      refused, with an alarm: we never gave that token
//
// The window is for public clients only: a confidential client that repeats itself is revoked.
// docs/divergences.md names the window.
package grant
