// Package acme has an authority that we did not write (Pebble, Let's Encrypt's own for tests) give a running doorward its
// certificate: the order, the challenge tls-alpn-01 at the listener, and the restart that finds the certificate sealed.
package acme
