// Package interop is the module of tests and benchmarks against programs that we did not write and do not want in the
// product's go.mod. conformance drives the official suite; person signs in where a test has no person.
package interop
