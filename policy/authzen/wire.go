package authzen

import "github.com/go-json-experiment/json/jsontext"

// evaluation is an access evaluation request. Authorization API 1.0 §6.1.
type evaluation struct {
	Subject  entity                    `json:"subject"`
	Action   action                    `json:"action"`
	Resource entity                    `json:"resource"`
	Context  map[string]jsontext.Value `json:"context,omitempty"`
}

// entity is a subject or a resource. §5.1, §5.2.
type entity struct {
	Type       string                    `json:"type"`
	ID         string                    `json:"id"`
	Properties map[string]jsontext.Value `json:"properties,omitempty"`
}

// action is what is to be done. §5.3.
type action struct {
	Name       string                    `json:"name"`
	Properties map[string]jsontext.Value `json:"properties,omitempty"`
}

// The types of entities in the MCP binding.
const (
	typeIdentity = "identity"
	typeServer   = "mcp_server"
	typeTool     = "tool"
	typePrompt   = "prompt"
	typeResource = "resource"
	typeTask     = "task"
)
