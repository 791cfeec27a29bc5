package main

import (
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// machineMemory is what this process may have at most, in bytes: the machine's memory, or less if one of its
// control groups says so.
func machineMemory() int64 {
	least := int64(4 << 30) // where nothing can be learnt
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) == nil {
		least = int64(info.Totalram) * int64(info.Unit)
	}
	groups, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root, name := "/sys/fs/cgroup", "memory.max"
		if strings.Contains(","+parts[1]+",", ",memory,") {
			root, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if parts[1] != "" {
			continue
		}
		// The limit may stand in any group above.
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			if b, err := os.ReadFile(path.Join(root, dir, name)); err == nil {
				if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 {
					least = min(least, n)
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}
