package collector

import (
	"fmt"
	"strings"
	"testing"

	"gpusignal/scaling"
)

func TestStates(t *testing.T) {
	got := series(t, full())
	const ready = `namespace="chat",pod="llm-0",state="%s",workload="llm",workload_kind="Deployment"}`
	want := make(map[string]string)
	for _, state := range scaling.States() {
		want["gpusignal_pod_state{"+fmt.Sprintf(ready, state)] = "0"
	}
	want["gpusignal_pod_state{"+fmt.Sprintf(ready, "ready")] = "1"
	want[`gpusignal_pod_state{namespace="chat",pod="llm-1",state="loading",workload="llm",workload_kind="Deployment"}`] = "1"
	want[`gpusignal_pod_state{namespace="vision",pod="leaving",state="draining",workload="",workload_kind=""}`] = "1"
	want[`gpusignal_pod_state{namespace="vision",pod="leaving",state="ready",workload="",workload_kind=""}`] = ""
	want[`gpusignal_pod_state{namespace="vision",pod="batch-x",state="ready",workload="",workload_kind=""}`] = ""
	expect(t, got, want)
}

func TestSignalsAreFewAndOnlySignals(t *testing.T) {
	s := full()
	families, err := collectorOf(s).Signals().Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := series(t, s)
	perPod := make(map[string]int)
	for _, family := range families {
		for _, m := range family.Metric {
			names := make(map[string]string)
			for _, pair := range m.Label {
				names[pair.GetName()] = pair.GetValue()
			}
			for _, name := range []string{"namespace", "pod", "workload_kind", "workload"} {
				if _, ok := names[name]; !ok {
					t.Errorf("%s has no label %s", family.GetName(), name)
				}
			}
			perPod[names["namespace"]+"/"+names["pod"]]++
		}
	}
	for line := range strings.Lines(encode(t, families)) {
		if name, _, _ := strings.Cut(line, "} "); !strings.HasPrefix(line, "#") && all[name+"}"] == "" {
			t.Errorf("not on the whole page: %s", line)
		}
	}
	if n := perPod["chat/llm-0"]; n < 20 || n > 34 {
		t.Errorf("%d series of a pod that tells nearly everything, want at most 34: %v", n, perPod)
	}
}
