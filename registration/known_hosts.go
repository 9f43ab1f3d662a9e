// Code generated from clients.yaml by `go test ./registration -run TestKnownHosts -update`. DO NOT EDIT.

package registration

// KnownHost is the client that a host belongs to, as clients.yaml has it: whose metadata document or whose redirect
// address lies there. The host is written in lower case and without port. A page may say the name because of the host;
// what a client calls itself says nothing.
func KnownHost(host string) (name string, ok bool) {
	switch host {
	case "apify.github.io":
		return "mcpc", true
	case "chatgpt.com":
		return "ChatGPT", true
	case "claude.ai":
		return "Claude", true
	case "claude.com":
		return "Claude", true
	case "insiders.vscode.dev":
		return "VS Code", true
	case "opencode.ai":
		return "opencode", true
	case "vscode.dev":
		return "VS Code", true
	case "www.cursor.com":
		return "Cursor", true
	case "zed.dev":
		return "Zed", true
	}
	return "", false
}
