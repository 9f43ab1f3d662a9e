package stdio

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// watchEvery is how long a process may take more than it may before somebody looks.
const watchEvery = 250 * time.Millisecond

// watch looks after what processes take, until there is none.
func (p *Pool) watch() {
	for {
		time.Sleep(watchEvery)
		p.mu.Lock()
		if p.watching = len(p.running) > 0; !p.watching {
			p.mu.Unlock()
			return
		}
		all := make([]*process, 0, len(p.running))
		for q := range p.running {
			all = append(all, q)
		}
		p.mu.Unlock()
		table := readTable()
		for _, q := range all {
			if pid := q.pid(); pid != 0 {
				q.judge(table.family(pid))
			}
		}
	}
}

// judge ends a process whose family takes more than it may.
func (q *process) judge(family []entry) {
	var resident, exact int64
	for _, e := range family {
		resident += e.resident
	}
	b := q.pool.Bounds
	most := int64(b.Memory) << 20
	var what string
	switch {
	case b.Processes > 0 && len(family) > b.Processes:
		what = "it has more processes than it may"
	case most > 0 && resident > most:
		// What processes share was counted for each of them. The exact count takes longer.
		for _, e := range family {
			exact += e.proportional()
		}
		if exact > most {
			what = "it takes more memory than it may"
		}
	}
	if what == "" {
		return
	}
	q.log.Error("a server process is killed: "+what, "pid", q.pid(), "processes", len(family), "memory", exact, "most_processes", b.Processes, "most_memory", most)
	q.mu.Lock()
	q.over = what
	q.mu.Unlock()
	signal(q.cmd, kill)
	for _, e := range family { // some may have left the group
		_ = syscall.Kill(e.pid, syscall.SIGKILL)
	}
}

// entry is a process of the system.
type entry struct {
	pid, parent, group int
	resident           int64 // bytes
}

type table []entry

// readTable reads what processes there are. Those that end meanwhile are left out.
func readTable() (all table) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	page := int64(os.Getpagesize())
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		// proc_pid_stat(5): the name in brackets may hold anything. After it: state, parent, group; the 22nd is the resident pages.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 22 || fields[0] == "Z" {
			continue
		}
		e := entry{pid: pid}
		e.parent, _ = strconv.Atoi(fields[1])
		e.group, _ = strconv.Atoi(fields[2])
		e.resident, _ = strconv.ParseInt(fields[21], 10, 64)
		e.resident *= page
		all = append(all, e)
	}
	return all
}

// family is a process, its group, and the children of them all.
func (t table) family(pid int) (all []entry) {
	in := map[int]bool{}
	for grown := true; grown; {
		grown = false
		for _, e := range t {
			if !in[e.pid] && (e.pid == pid || e.group == pid || in[e.parent]) {
				in[e.pid], grown = true, true
				all = append(all, e)
			}
		}
	}
	return all
}

// proportional is the memory of a process with its part of what it shares, swapped out or not; the resident one if it cannot be read.
func (e entry) proportional() int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(e.pid) + "/smaps_rollup")
	if err != nil {
		return e.resident
	}
	var sum int64
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) >= 2 && (f[0] == "Pss:" || f[0] == "SwapPss:") {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			sum += n << 10
		}
	}
	return sum
}
