package curate_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestContribScripts: shell can read all scripts, and what is called may be.
func TestContribScripts(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	n := 0
	err = filepath.WalkDir("contrib", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".sh") {
			return err
		}
		n++
		if out, err := exec.Command(bash, "-n", name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if called := bytes.HasPrefix(text, []byte("#!")); called != (info.Mode()&0o111 != 0) {
			t.Errorf("%s: its mode is %v, and whether it begins with #! is %v", name, info.Mode(), called)
		}
		return nil
	})
	if err != nil || n < 6 {
		t.Errorf("%d scripts, %v", n, err)
	}
}

// jobFields are the fields of Kubernetes' API (batch/v1, v1.33) by the path of the object that has them, without indexes; of
// an object that is not listed, any are right.
var jobFields = map[string]string{
	"":                            "apiVersion kind metadata spec status",
	"metadata":                    "annotations generateName labels name namespace",
	"spec":                        "activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions managedBy manualSelector maxFailedIndexes parallelism podFailurePolicy podReplacementPolicy selector successPolicy suspend template ttlSecondsAfterFinished",
	"spec.template":               "metadata spec",
	"spec.podFailurePolicy":       "rules",
	"spec.podFailurePolicy.rules": "action onExitCodes onPodConditions",
	"spec.podFailurePolicy.rules.onExitCodes":          "containerName operator values",
	"spec.podFailurePolicy.rules.onPodConditions":      "status type",
	"spec.template.metadata":                           "annotations labels",
	"spec.template.spec":                               "activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig dnsPolicy enableServiceLinks ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers hostname imagePullSecrets initContainers nodeName nodeSelector os overhead preemptionPolicy priority priorityClassName readinessGates resourceClaims resources restartPolicy runtimeClassName schedulerName schedulingGates securityContext serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain terminationGracePeriodSeconds tolerations topologySpreadConstraints volumes",
	"spec.template.spec.securityContext":               "appArmorProfile fsGroup fsGroupChangePolicy runAsGroup runAsNonRoot runAsUser seLinuxChangePolicy seLinuxOptions seccompProfile supplementalGroups supplementalGroupsPolicy sysctls windowsOptions",
	"spec.template.spec.containers":                    "args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports readinessProbe resizePolicy resources restartPolicy securityContext startupProbe stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts workingDir",
	"spec.template.spec.containers.resources":          "claims limits requests",
	"spec.template.spec.containers.securityContext":    "allowPrivilegeEscalation appArmorProfile capabilities privileged procMount readOnlyRootFilesystem runAsGroup runAsNonRoot runAsUser seLinuxOptions seccompProfile windowsOptions",
	"spec.template.spec.containers.envFrom":            "configMapRef prefix secretRef",
	"spec.template.spec.containers.envFrom.secretRef":  "name optional",
	"spec.template.spec.containers.volumeMounts":       "mountPath mountPropagation name readOnly recursiveReadOnly subPath subPathExpr",
	"spec.template.spec.volumes":                       "awsElasticBlockStore azureDisk azureFile cephfs cinder configMap csi downwardAPI emptyDir ephemeral fc flexVolume gcePersistentDisk hostPath image iscsi name nfs persistentVolumeClaim portworxVolume projected secret storageos",
	"spec.template.spec.volumes.persistentVolumeClaim": "claimName readOnly",
}

// eachObject calls f for every object in v, with its path.
func eachObject(path string, v any, f func(path string, o map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		f(path, v)
		for k, below := range v {
			eachObject(strings.TrimPrefix(path+"."+k, "."), below, f)
		}
	case []any:
		for _, below := range v {
			eachObject(path, below, f)
		}
	}
}

// at is what a path of keys and indexes leads to.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			o, _ := v.(map[string]any)
			v = o[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// TestKubernetesJobs: the Jobs of contrib/k8s have only fields that there are, and say what a run by ranks needs. No cluster and
// no schema is there to ask; kubectl has read both once.
func TestKubernetesJobs(t *testing.T) {
	for name, indexed := range map[string]bool{"contrib/k8s/ranks.yaml": true, "contrib/k8s/finish.yaml": false} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var job map[string]any
		if err := yaml.UnmarshalWithOptions(text, &job, yaml.Strict()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		seen := 0
		eachObject("", job, func(path string, o map[string]any) {
			fields, ok := jobFields[path]
			if !ok {
				return
			}
			seen++
			for k := range o {
				if !slices.Contains(strings.Fields(fields), k) {
					t.Errorf("%s: %s has no field %s", name, path, k)
				}
			}
		})
		if seen < len(jobFields) {
			t.Errorf("%s: only %d of %d objects", name, seen, len(jobFields))
		}
		pod := []any{"spec", "template", "spec"}
		container := append(slices.Clone(pod), "containers", 0)
		for _, c := range []struct {
			path []any
			want any
		}{
			{[]any{"apiVersion"}, "batch/v1"},
			{[]any{"kind"}, "Job"},
			{append(slices.Clone(pod), "restartPolicy"), "Never"}, // podFailurePolicy is refused with another
			{[]any{"spec", "podFailurePolicy", "rules", 0, "action"}, "Ignore"},
			{[]any{"spec", "podFailurePolicy", "rules", 0, "onPodConditions", 0, "type"}, "DisruptionTarget"},
			{[]any{"spec", "podFailurePolicy", "rules", 1, "onExitCodes", "containerName"}, at(job, append(slices.Clone(container), "name")...)},
			{append(slices.Clone(pod), "securityContext", "runAsUser"), uint64(65532)}, // distroless' nonroot
			{append(slices.Clone(container), "securityContext", "readOnlyRootFilesystem"), true},
		} {
			if got := at(job, c.path...); got != c.want {
				t.Errorf("%s: %v is %v, want %v", name, c.path, got, c.want)
			}
		}
		// Every mount is of a volume, and /tmp can be written.
		var volumes, mounts []string
		for _, v := range at(job, append(slices.Clone(pod), "volumes")...).([]any) {
			volumes = append(volumes, fmt.Sprint(at(v, "name")))
		}
		tmp := false
		for _, m := range at(job, append(slices.Clone(container), "volumeMounts")...).([]any) {
			mounts = append(mounts, fmt.Sprint(at(m, "name")))
			tmp = tmp || at(m, "mountPath") == "/tmp"
		}
		if !slices.Equal(volumes, mounts) || !tmp {
			t.Errorf("%s: volumes %v, mounts %v; /tmp is one: %v", name, volumes, mounts, tmp)
		}
		args := fmt.Sprint(at(job, append(slices.Clone(container), "args")...))
		perIndex, all := at(job, "spec", "backoffLimitPerIndex"), at(job, "spec", "backoffLimit")
		if indexed {
			n := fmt.Sprint(at(job, "spec", "completions"))
			if at(job, "spec", "completionMode") != "Indexed" || perIndex == nil || all != nil || !strings.Contains(args, "--world-size "+n+"]") {
				t.Errorf("%s: mode %v, %v tries an index, %v in all, %s ranks, args %s", name, at(job, "spec", "completionMode"), perIndex, all, n, args)
			}
		} else if at(job, "spec", "completionMode") != nil || perIndex != nil || all == nil || !strings.Contains(args, "--finish") {
			t.Errorf("%s: mode %v, %v tries an index, %v in all, args %s", name, at(job, "spec", "completionMode"), perIndex, all, args)
		}
	}
}
