package stdio

import (
	"os"
	"runtime"
	"strings"
)

// Inherited returns the names that every process gets from our environment: where programs, the home, temporary files and the words of the
// person's language are. Nothing that could hold a secret is among them.
func Inherited() []string {
	if runtime.GOOS == "windows" {
		return []string{"APPDATA", "COMSPEC", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATH", "PATHEXT", "PROCESSOR_ARCHITECTURE",
			"PROGRAMDATA", "PROGRAMFILES", "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP", "USERNAME", "USERPROFILE", "WINDIR"}
	}
	return []string{"HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"}
}

// environment is the whole environment of a process; of what stands twice the last counts. It is never nil, which would mean all of ours.
func environment(given []string) []string {
	env := []string{}
	for _, e := range append(Inherited(), given...) {
		if strings.Contains(e, "=") {
			env = append(env, e)
			continue
		}
		if value, ok := os.LookupEnv(e); ok {
			env = append(env, e+"="+value)
		}
	}
	return env
}
