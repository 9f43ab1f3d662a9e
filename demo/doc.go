// Package demo is the MCP server that protect starts when it is given none: small, but with one of everything that stands behind
// authorization in earnest.
//
//	whoami       what the server was told of the caller      read only
//	add          two numbers                                 read only
//	slow         progress over server-sent events            read only, can be cancelled
//	delete_user  takes a user off a list kept in memory      destructive; a second time is a tool error
//
// It has two resources, demo://welcome and demo://users, and one prompt, introduce. Every revision that the go-sdk has is served: with
// sessions before 2026-07-28, without from then on.
//
// It checks nobody: no token, no Origin, and the caller assertion is believed as it stands. So it must be reachable through the gateway
// alone, in the same process, and must not be given a listener of its own.
package demo
