package export

import (
	"strings"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// class is a class of OCSF 1.9 events.
type class struct {
	category, uid int
	name          string
	profiles      []string
}

// The classes, by what they are used for here.
var (
	none           = class{0, 0, "Base Event", []string{"record_integrity"}}
	accountChange  = class{3, 3001, "Account Change", []string{"record_integrity", "ai_operation"}}
	authentication = class{3, 3002, "Authentication", []string{"record_integrity", "ai_operation"}}
	authorizing    = class{3, 3003, "Authorize Session", []string{"record_integrity", "ai_operation"}}
	entities       = class{3, 3004, "Entity Management", []string{"record_integrity", "ai_operation"}}
	apiActivity    = class{6, 6003, "API Activity", []string{"record_integrity", "ai_operation", "trace"}}
)

// activity is an activity_id of a class; 99 is another one, named by the code.
type activity int

const otherActivity activity = 99

// classify finds the class of a record, and the activity within it.
func classify(e verify.Entry) (class, activity) {
	group, act, _ := strings.Cut(e.Code, ".")
	switch group {
	case "":
		return none, otherActivity
	case "mcp", "request":
		return apiActivity, apiActivities(act)
	case "login":
		return authentication, loginActivities(act)
	case "person":
		return accountChange, personActivities(act)
	case "token", "authorize", "consent":
		if act == "introspected" || act == "refused" || act == "declined" {
			return entities, entityActivities(act)
		}
		return authorizing, 1 // Assign Privileges
	}
	return entities, entityActivities(act)
}

func apiActivities(act string) activity {
	switch act {
	case "read", "listed", "streamed":
		return 2 // Read
	case "session_ended":
		return 4 // Delete
	}
	return otherActivity
}

func loginActivities(act string) activity {
	switch act {
	case "signed_in", "refused":
		return 1 // Logon
	case "signed_out":
		return 2 // Logoff
	}
	return otherActivity
}

func personActivities(act string) activity {
	switch act {
	case "added":
		return 1 // Create
	case "erased", "removed":
		return 6 // Delete
	}
	return otherActivity
}

func entityActivities(act string) activity {
	switch act {
	case "added", "created", "registered":
		return 1 // Create
	case "read", "introspected":
		return 2 // Read
	case "changed", "configured", "loaded":
		return 3 // Update
	case "removed", "revoked":
		return 4 // Delete
	case "approved", "accepted":
		return 8 // Enable
	}
	return otherActivity
}
