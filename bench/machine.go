package main

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// machine is what a number depends on, kept with each.
type machine struct {
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"`
	OS       string            `json:"os"`
	Kernel   string            `json:"kernel"`
	Go       string            `json:"go"`
	Commit   string            `json:"commit"` // "+" if the tree had changes
	Versions map[string]string `json:"versions"`
}

func thisMachine() machine {
	m := machine{
		CPU: "unknown", Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH,
		Kernel: output("uname", "-r"), Go: runtime.Version(), Commit: output("git", "rev-parse", "--short=12", "HEAD"),
		Versions: map[string]string{},
	}
	if output("git", "status", "--porcelain", "--untracked-files=no", "--", "..") != "" {
		m.Commit += "+"
	}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				m.CPU = strings.TrimSpace(v)
				break
			}
		}
	} else if v := output("sysctl", "-n", "machdep.cpu.brand_string"); v != "" {
		m.CPU = v
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			switch d.Path {
			case "github.com/klauspost/compress", "github.com/go-json-experiment/json":
				m.Versions[d.Path] = d.Version
			}
		}
	}
	return m
}

func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

const anyCore = -1

// busySeconds is how long a core, or with anyCore all together, has worked since the machine started, for anybody;
// 0 if the system does not say. It counts in hundredths.
func busySeconds(core int) float64 {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	name := "cpu"
	if core != anyCore {
		name += strconv.Itoa(core)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 9 || f[0] != name {
			continue
		}
		ticks := 0
		for _, i := range []int{1, 2, 3, 6, 7, 8} { // user nice system, irq softirq, steal; not idle, iowait
			n, _ := strconv.Atoi(f[i])
			ticks += n
		}
		return float64(ticks) / 100
	}
	return 0
}

// load is the one-minute load average: how much else went on.
func load() string {
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(b), " ")
		return first
	}
	return ""
}
