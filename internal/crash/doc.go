// Package crash names the points at which a kill must lose nothing: where the store commits and where an answer is sent.
// In a build with the tag crash, DOORWARD_CRASH=N in the environment kills the process at the N-th point that it passes,
// as SIGKILL does: nothing is flushed, closed or deferred. In every other build a point is nothing.
package crash
