//go:build !unix

package audit_test

import "testing"

const canLimit = false

func limit(*testing.T, uint64) {}
