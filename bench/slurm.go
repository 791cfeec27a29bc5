package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// slurmRanks are tasks of an array; slurmRunning of them are at work at once, on however few cores.
const (
	slurmRanks   = 6
	slurmRunning = 3
	slurmWait    = 15 * time.Minute // for one chain of jobs
)

// slurmRecipe is what run.sh runs.
const slurmRecipe = `version: 1
run: %s
inputs: %s
steps:
  - name: clean
    read: "{inputs}"
    filter: {profile: gopher}
  - name: unique
    from: clean
    dedup: {}
`

// runSlurm is a check: contrib/slurm on a cluster of one node that it sets up in a folder gives the bytes of the local run, also
// when three running ranks are requeued. It needs Debian's packages slurm-wlm and munge, and root.
func runSlurm(s *session) error {
	for _, name := range []string{"munged", "slurmctld", "slurmd", "sbatch"} {
		if _, err := exec.LookPath(name); err != nil {
			fmt.Printf("\nslurm: skipped, there is no %s (apt-get install slurm-wlm munge)\n", name)
			return nil
		}
	}
	if os.Geteuid() != 0 {
		fmt.Println("\nslurm: skipped, the daemons of a cluster of one's own want root")
		return nil
	}
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	in := filepath.Join(s.dir, "slurm-in")
	made, _, err := s.child(task{Name: "overlaps", Out: in, MB: s.options.slurmMB, N: slurmRanks}, false)
	if err != nil {
		return err
	}
	c, err := startCluster(filepath.Join(s.dir, "slurm"))
	if err != nil {
		return err
	}
	var once sync.Once
	end := func() {
		once.Do(func() {
			for _, err := range c.stop() {
				fmt.Fprintln(os.Stderr, "bench: slurm:", err)
			}
		})
	}
	defer end()
	// The daemons go with this program, also by a signal.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		sig := <-signals
		end()
		signal.Reset()
		_ = syscall.Kill(os.Getpid(), sig.(syscall.Signal))
	}()
	tree, err := root()
	if err != nil {
		return err
	}
	v := &verdict{Numbers: map[string]any{"docs": made.Docs, "bytes": made.Bytes}}
	fmt.Printf("\nslurm: %s, one node, %d tasks at once; %.1f MB in %d files\n", c.version, slurmRunning, mb(made.Bytes), len(made.Files))

	alone, unique := filepath.Join(s.dir, "slurm-alone"), filepath.Join(s.dir, "slurm-unique")
	if _, err := s.measure(command{argv: []string{bin, "dedup", "-q", "--max-record", "16MiB", "-o", alone, "--dropped", filepath.Join(s.dir, "slurm-dropped.jsonl.zst"), in}}); err != nil {
		return err
	}
	env := []string{
		"CURATE=" + bin, "RUN=" + unique, fmt.Sprintf("RANKS=%d", slurmRanks), fmt.Sprintf("CONCURRENCY=%d", slurmRunning), "CPUS=1", "MEM=1024",
		"LOGS=" + filepath.Join(s.dir, "slurm-logs"),
	}
	began := time.Now()
	if err := c.script(filepath.Join(tree, "contrib/slurm/dedup.sh"), env, "--max-record", "16MiB", in); err != nil {
		return err
	}
	requeued, err := c.requeue("curate-sign")
	if err != nil {
		return err
	}
	if err := c.wait(); err != nil {
		return err
	}
	v.Numbers["dedup_s"] = time.Since(began).Seconds()
	restarts, err := c.restarts(requeued)
	if err != nil {
		return err
	}
	v.printf("dedup.sh: three running ranks of sign were requeued (%s), and began %d times more", strings.Join(requeued, ", "), restarts)
	if restarts < len(requeued) {
		v.failf("only %d of %d ranks were requeued", restarts, len(requeued))
	}
	if err := sameDirectory(v, "dedup.sh", alone, unique); err != nil {
		return err
	}
	// Submitted again, it finds everything done.
	if err := c.script(filepath.Join(tree, "contrib/slurm/dedup.sh"), env, "--max-record", "16MiB", in); err != nil {
		return err
	}
	if jobs, err := c.jobs("curate"); err != nil {
		return err
	} else if len(jobs) > 0 {
		v.failf("dedup.sh submits jobs for a run that is finished: %s", strings.Join(jobs, " "))
	}
	if err := s.slurmLoop(c, v, bin, tree, in, env); err != nil {
		return err
	}
	return s.say("slurm", v)
}

// slurmLoop runs a recipe by run.sh, and requeues three ranks of its first array.
func (s *session) slurmLoop(c *cluster, v *verdict, bin, tree, in string, env []string) error {
	// In one place after the other, since a step's manifest has the paths of the one before; and with run.sh's --memory, of
	// which the longest record is a share.
	ranks, local := filepath.Join(s.dir, "slurm-run"), filepath.Join(s.dir, "slurm-local")
	r := ranks + ".yaml"
	if err := os.WriteFile(r, fmt.Appendf(nil, slurmRecipe, ranks, in), 0o644); err != nil {
		return err
	}
	if _, err := s.measure(command{argv: []string{bin, "run", "-q", "--memory", "896MiB", r}}); err != nil {
		return err
	}
	if err := os.Rename(ranks, local); err != nil {
		return err
	}
	began := time.Now()
	if err := c.script(filepath.Join(tree, "contrib/slurm/run.sh"), env, "run", r); err != nil {
		return err
	}
	requeued, err := c.requeue("curate-ranks")
	if err != nil {
		return err
	}
	if err := c.wait(); err != nil {
		return err
	}
	v.Numbers["run_s"] = time.Since(began).Seconds()
	restarts, err := c.restarts(requeued)
	if err != nil {
		return err
	}
	v.printf("run.sh: three running ranks of the first step were requeued (%s), and began %d times more", strings.Join(requeued, ", "), restarts)
	if restarts < len(requeued) {
		v.failf("only %d of %d ranks were requeued", restarts, len(requeued))
	}
	for _, step := range []string{"clean", "unique"} {
		if err := sameDirectory(v, "run.sh, step "+step, filepath.Join(local, step), filepath.Join(ranks, step)); err != nil {
			return err
		}
	}
	return nil
}

// cluster is a Slurm cluster of this machine alone, all of whose files are below dir.
type cluster struct {
	dir, version string
	daemons      []*exec.Cmd
	env          []string
}

// startCluster starts munged, slurmctld and slurmd in the foreground, as children, so that they are known by their handles.
func startCluster(dir string) (c *cluster, err error) {
	for _, d := range []string{dir, filepath.Join(dir, "state"), filepath.Join(dir, "spool")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	if dir, err = filepath.Abs(dir); err != nil { // slurmctld changes its folder
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	host, _, _ = strings.Cut(host, ".")
	ports := make([]int, 2)
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return nil, err
		}
	}
	key := filepath.Join(dir, "munge.key")
	socket := filepath.Join(dir, "munge.socket")
	if err := os.WriteFile(key, bytes.Repeat([]byte("no secret: one machine, one test. "), 4), 0o400); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "slurm.conf")
	// A requeued job may begin again when its old credential has expired.
	text := fmt.Sprintf(`ClusterName=bench
SlurmctldHost=%[1]s(127.0.0.1)
SlurmctldPort=%[3]d
SlurmdPort=%[4]d
AuthType=auth/munge
AuthInfo=socket=%[5]s,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation=%[2]s/state
SlurmdSpoolDir=%[2]s/spool
SlurmctldPidFile=%[2]s/slurmctld.pid
SlurmdPidFile=%[2]s/slurmd.pid
SlurmctldLogFile=%[2]s/slurmctld.log
SlurmdLogFile=%[2]s/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
KillWait=10
MinJobAge=3600
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
NodeName=%[1]s NodeAddr=127.0.0.1 CPUs=%[6]d RealMemory=4096 State=UNKNOWN
PartitionName=main Nodes=%[1]s Default=YES MaxTime=INFINITE State=UP
`, host, dir, ports[0], ports[1], socket, slurmRunning)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	c = &cluster{dir: dir, env: append(os.Environ(), "SLURM_CONF="+conf)}
	for _, argv := range [][]string{
		{"munged", "--foreground", "--force", "--num-threads=2", "--key-file=" + key, "--socket=" + socket, "--pid-file=" + filepath.Join(dir, "munged.pid"),
			"--log-file=" + filepath.Join(dir, "munged.log"), "--seed-file=" + filepath.Join(dir, "munged.seed")},
		{"slurmctld", "-D", "-i", "-f", conf},
		{"slurmd", "-D", "-N", host, "-f", conf},
	} {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env, cmd.Dir = c.env, dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ^C is ours, and we stop them
		log, err := os.Create(filepath.Join(dir, argv[0]+".out"))
		if err != nil {
			return nil, errors.Join(append(c.stop(), err)...)
		}
		cmd.Stdout, cmd.Stderr = log, log
		err = errors.Join(cmd.Start(), log.Close())
		if err != nil {
			return nil, errors.Join(append(c.stop(), err)...)
		}
		c.daemons = append(c.daemons, cmd)
		if argv[0] == "munged" {
			for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				if _, err := os.Stat(socket); err == nil {
					break
				}
			}
		}
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(500 * time.Millisecond) {
		out, err := c.run(nil, "sinfo", "-h", "-o", "%T")
		if err == nil && strings.TrimSpace(out) == "idle" {
			break
		}
		if time.Now().After(end) {
			err = fmt.Errorf("the node does not come up: %q, %w; see the logs: %s", out, err, c.logs())
			return nil, errors.Join(append(c.stop(), err)...)
		}
	}
	c.version, err = c.run(nil, "sbatch", "--version")
	c.version = strings.TrimSpace(c.version)
	return c, err
}

func (c *cluster) logs() string {
	var b strings.Builder
	for _, name := range []string{"munged", "slurmctld", "slurmd"} {
		for _, end := range []string{".log", ".out"} {
			text, err := os.ReadFile(filepath.Join(c.dir, name+end))
			if err == nil {
				fmt.Fprintf(&b, "\n%s%s: %s", name, end, lastLines(string(text), 8))
			}
		}
	}
	return b.String()
}

// stop ends what runs and the daemons, the last one first.
func (c *cluster) stop() (errs []error) {
	if len(c.daemons) == 3 {
		_, _ = c.run(nil, "scancel", "--quiet", "--full", "--user=root")
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
			if jobs, err := c.jobs(""); err != nil || len(jobs) == 0 {
				break
			}
		}
	}
	for _, cmd := range slices.Backward(c.daemons) {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			errs = append(errs, fmt.Errorf("%s did not end and is killed", cmd.Path))
			_ = cmd.Process.Kill()
			<-done
		}
	}
	c.daemons = nil
	return errs
}

// run runs a command of Slurm's and returns what it writes.
func (c *cluster) run(env []string, argv ...string) (string, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = append(slices.Clone(c.env), env...), c.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, lastLines(stderr.String(), 15))
	}
	return string(out), err
}

func (c *cluster) script(name string, env []string, args ...string) error {
	_, err := c.run(env, append([]string{name}, args...)...)
	return err
}

// jobs are those that wait or run and whose name begins so, as job or job_task.
func (c *cluster) jobs(name string) (list []string, err error) {
	out, err := c.run(nil, "squeue", "-h", "-r", "-o", "%i %j")
	for line := range strings.Lines(out) {
		if id, of, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(of, name) {
			list = append(list, id)
		}
	}
	return list, err
}

// requeue requeues three tasks of the array of that name that are in the middle of their work.
func (c *cluster) requeue(name string) ([]string, error) {
	for end := time.Now().Add(slurmWait); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		out, err := c.run(nil, "squeue", "-h", "-r", "-t", "RUNNING", "-n", name, "-o", "%i %A")
		if err != nil {
			return nil, err
		}
		lines := strings.Fields(out)
		if len(lines) < 2*slurmRunning {
			continue
		}
		time.Sleep(time.Second)
		var tasks []string
		for i := 0; i < len(lines); i += 2 {
			tasks = append(tasks, lines[i])
		}
		if _, err := c.run(nil, "scontrol", "requeue", strings.Join(tasks, ",")); err != nil {
			return nil, err
		}
		return tasks, nil
	}
	return nil, fmt.Errorf("three tasks of %s were never at work at once: %s", name, c.logs())
}

// restarts is how often tasks have begun again.
func (c *cluster) restarts(tasks []string) (n int, err error) {
	for _, t := range tasks {
		out, err := c.run(nil, "scontrol", "-o", "show", "job", t)
		if err != nil {
			return 0, err
		}
		for _, f := range strings.Fields(out) {
			if f, ok := strings.CutPrefix(f, "Restarts="); ok && f != "0" {
				n++
			}
		}
	}
	return n, nil
}

// wait waits until there is no job any more.
func (c *cluster) wait() error {
	for end := time.Now().Add(slurmWait); time.Now().Before(end); time.Sleep(time.Second) {
		jobs, err := c.jobs("")
		if err != nil || len(jobs) == 0 {
			return err
		}
	}
	out, _ := c.run(nil, "squeue")
	return fmt.Errorf("jobs have not ended in %s:\n%s%s", slurmWait, out, c.logs())
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// sameDirectory compares the output directory that ranks have filled with that of one process, byte by byte but for what says
// times and the order in which things were done, and for what the ranks were started with.
func sameDirectory(v *verdict, what, want, got string) error {
	read := func(dir string) (map[string][]byte, error) {
		files := map[string][]byte{}
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			switch d.Name() {
			case "journal", "timing.json", "lock", "ranks.json":
				return nil
			}
			b, err := os.ReadFile(name)
			rel, _ := filepath.Rel(dir, name)
			files[rel] = b
			return err
		})
		return files, err
	}
	a, err := read(want)
	if err != nil {
		return err
	}
	b, err := read(got)
	if err != nil {
		return err
	}
	bad, parts := 0, 0
	for name, bytesOf := range a {
		if strings.HasPrefix(filepath.Base(name), "part-") {
			parts++
		}
		if other, ok := b[name]; !ok {
			v.failf("%s: %s is missing", what, name)
			bad++
		} else if !bytes.Equal(bytesOf, other) {
			v.failf("%s: %s has other bytes (%d, %d in one process)", what, name, len(other), len(bytesOf))
			bad++
		}
		delete(b, name)
	}
	for name := range b {
		v.failf("%s: %s was left", what, name)
		bad++
	}
	if parts == 0 {
		v.failf("%s: there are no parts", what)
		bad++
	}
	if bad == 0 {
		v.printf("%s: all %d files, %d of them parts, are the bytes of one process, and nothing was left", what, len(a), parts)
	}
	return nil
}
