// Package authzen asks an AuthZEN 1.0 decision point over HTTP, and answers as one (OpenID Authorization API 1.0).
//
// As a policy.Decider it maps MCP messages to evaluations as the MCP binding of AuthZEN's COAZ profile does by default (openid/authzen,
// profiles/authzen-coaz-mcp-binding-1_0): subject is the person, the agent stands in the context, the resource is a tool, a prompt,
// an address or the server. It fails closed: a decision point that does not answer in time, or not in the form that is asked for,
// denies. Mappings that tools declare (x-authzen-mapping) are not read: they need an expression language, and come from the
// server that is judged.
//
// As a decision point it takes the same mapping, and what more a caller may say: see Handler.
package authzen
