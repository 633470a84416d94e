package kubelet

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podsapi "k8s.io/kubelet/pkg/apis/pods/v1alpha1"

	"gpusignal/node"
)

// fullPod is a pod with everything that gpusignal reads and some of what it does not.
func fullPod() *corev1.Pod {
	always, controller := corev1.ContainerRestartPolicyAlways, true
	started := metav1.NewTime(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "llama-7d9f-x2", Namespace: "models", UID: "u-1",
			Labels: map[string]string{labelTemplateHash: "7d9f"},
			Annotations: map[string]string{
				"gpusignal/queue-target": "8", "prometheus.io/port": "8000", "prometheus.kserve.io/path": "/m",
				"kubectl.kubernetes.io/last-applied-configuration": "secret", "xgpusignal/no": "1",
			},
			OwnerReferences:   []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "llama-7d9f", Controller: &controller}},
			DeletionTimestamp: &started,
		},
		Spec: corev1.PodSpec{
			HostNetwork: true,
			Volumes:     []corev1.Volume{{Name: "v"}},
			InitContainers: []corev1.Container{
				{Name: "download", Ports: []corev1.ContainerPort{{ContainerPort: 1}}},
				{Name: "proxy", RestartPolicy: &always, Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 9100}}},
			},
			Containers: []corev1.Container{{
				Name: "vllm", Image: "vllm/vllm-openai:v1", Command: []string{"vllm", "serve"}, Args: []string{"--max-num-seqs=8"},
				Env: []corev1.EnvVar{{Name: "HF_TOKEN", Value: "secret"}},
				Ports: []corev1.ContainerPort{
					{Name: "http", ContainerPort: 8000, Protocol: corev1.ProtocolTCP},
					{Name: "gossip", ContainerPort: 7000, Protocol: corev1.ProtocolUDP},
				},
			}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.0.0.7",
			PodIPs:     []corev1.PodIP{{IP: "10.0.0.7"}, {IP: "fd00::7"}, {IP: "not an address"}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			InitContainerStatuses: []corev1.ContainerStatus{
				{Name: "proxy", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}}},
			},
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: "vllm", Ready: true, RestartCount: 2,
				State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}},
			}},
		},
	}
}

func TestPodOf(t *testing.T) {
	started := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	want := node.Pod{
		ID:          node.PodID{UID: "u-1", Namespace: "models", Name: "llama-7d9f-x2"},
		Workload:    node.Workload{Kind: "Deployment", Name: "llama"},
		IPs:         []netip.Addr{netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("fd00::7")},
		HostNetwork: true,
		Annotations: map[string]string{
			"gpusignal/queue-target": "8", "prometheus.io/port": "8000", "prometheus.kserve.io/path": "/m",
		},
		Phase: "Running", Ready: true, Deleted: started,
		Containers: []node.Container{
			{Name: "proxy", Ports: []node.Port{{Name: "metrics", Number: 9100}}, Started: started, Ready: true},
			{
				Name: "vllm", Image: "vllm/vllm-openai:v1", Args: []string{"vllm", "serve", "--max-num-seqs=8"},
				Ports: []node.Port{{Name: "http", Number: 8000}}, Started: started, Ready: true, Restarts: 2,
			},
		},
	}
	if diff := cmp.Diff(want, podOf(fullPod()), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("pod (-want +got):\n%s", diff)
	}
}

func TestWorkload(t *testing.T) {
	yes := true
	controlledBy := func(kind, name string) []metav1.OwnerReference {
		return []metav1.OwnerReference{{Kind: "Thing", Name: "also-owns"}, {Kind: kind, Name: name, Controller: &yes}}
	}
	tests := []struct {
		name   string
		owners []metav1.OwnerReference
		labels map[string]string
		want   node.Workload
	}{
		{"deployment", controlledBy("ReplicaSet", "a-b-7d9f"), map[string]string{labelTemplateHash: "7d9f"}, node.Workload{Kind: "Deployment", Name: "a-b"}},
		{"replicaset alone", controlledBy("ReplicaSet", "a-7d9f"), nil, node.Workload{Kind: "ReplicaSet", Name: "a-7d9f"}},
		{"hash of another", controlledBy("ReplicaSet", "a-7d9f"), map[string]string{labelTemplateHash: "ffff"}, node.Workload{Kind: "ReplicaSet", Name: "a-7d9f"}},
		{"nothing before the hash", controlledBy("ReplicaSet", "-7d9f"), map[string]string{labelTemplateHash: "7d9f"}, node.Workload{Kind: "ReplicaSet", Name: "-7d9f"}},
		{"rollout", controlledBy("ReplicaSet", "a-7d9f"), map[string]string{labelRolloutTemplateHash: "7d9f"}, node.Workload{Kind: "Rollout", Name: "a"}},
		{"statefulset", controlledBy("StatefulSet", "s"), nil, node.Workload{Kind: "StatefulSet", Name: "s"}},
		{"daemonset", controlledBy("DaemonSet", "d"), nil, node.Workload{Kind: "DaemonSet", Name: "d"}},
		{"job of a cronjob stays a job", controlledBy("Job", "c-28000"), nil, node.Workload{Kind: "Job", Name: "c-28000"}},
		{"leaderworkerset", controlledBy("StatefulSet", "l-0"), map[string]string{labelLeaderWorkerSet: "l"}, node.Workload{Kind: "LeaderWorkerSet", Name: "l"}},
		{"leaderworkerset of a service", controlledBy("StatefulSet", "l-0"), map[string]string{labelLeaderWorkerSet: "l", labelInferenceService: "i"}, node.Workload{Kind: "LeaderWorkerSet", Name: "l"}},
		{"raycluster", controlledBy("RayCluster", "r"), map[string]string{labelRayCluster: "r", labelRayNodeType: "worker"}, node.Workload{Kind: "RayCluster", Name: "r"}},
		{"a job beside a raycluster", controlledBy("Job", "r-submit"), map[string]string{labelRayCluster: "r"}, node.Workload{Kind: "Job", Name: "r-submit"}},
		{"revision", controlledBy("ReplicaSet", "hello-00001-deployment-7d9f"), map[string]string{labelTemplateHash: "7d9f", labelRevision: "hello-00001"}, node.Workload{Kind: "Revision", Name: "hello-00001"}},
		{"revision of an inferenceservice", controlledBy("ReplicaSet", "i-predictor-00001-deployment-7d9f"), map[string]string{labelTemplateHash: "7d9f", labelRevision: "i-predictor-00001", labelInferenceService: "i"}, node.Workload{Kind: "Revision", Name: "i-predictor-00001"}},
		{"deployment of an inferenceservice", controlledBy("ReplicaSet", "i-predictor-7d9f"), map[string]string{labelTemplateHash: "7d9f", labelInferenceService: "i"}, node.Workload{Kind: "Deployment", Name: "i-predictor"}},
		{"a revision's label alone proves nothing", nil, map[string]string{labelRevision: "hello-00001"}, node.Workload{}},
		{"another's own kind", controlledBy("RayCluster", "r"), nil, node.Workload{Kind: "RayCluster", Name: "r"}},
		{"static pod", controlledBy("Node", "n"), nil, node.Workload{}},
		{"an owner that does not control", []metav1.OwnerReference{{Kind: "Thing", Name: "x"}}, nil, node.Workload{}},
		{"nobody", nil, map[string]string{labelTemplateHash: "7d9f"}, node.Workload{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := workload(&metav1.ObjectMeta{OwnerReferences: test.owners, Labels: test.labels}); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestPlace holds each system's labels to the role and the whole that they tell.
func TestPlace(t *testing.T) {
	lws := func(more ...string) map[string]string {
		labels := map[string]string{labelLeaderWorkerSet: "l", labelGroupIndex: "2"}
		for i := 0; i < len(more); i += 2 {
			labels[more[i]] = more[i+1]
		}
		return labels
	}
	service := func(kind, name string) node.Workload { return node.Workload{Kind: kind, Name: name} }
	for _, test := range []struct {
		name   string
		labels map[string]string
		want   node.Place
	}{
		{"none", nil, node.Place{}},
		{"leader", lws(labelWorkerIndex, "0"), node.Place{Role: node.Leader, Group: "2"}},
		{"worker", lws(labelWorkerIndex, "3"), node.Place{Role: node.Worker, Group: "2"}},
		{"group without index", lws(), node.Place{Group: "2"}},
		{"index that is none", lws(labelWorkerIndex, "-1"), node.Place{Group: "2"}},
		{"an index without a set", map[string]string{labelWorkerIndex: "1", labelGroupIndex: "0"}, node.Place{}},
		{"leader that prefills", lws(labelWorkerIndex, "0", labelLLMDRole, "prefill"), node.Place{Role: node.Prefill, Group: "2"}},
		{"worker of a group that prefills", lws(labelWorkerIndex, "1", labelLLMDRole, "prefill"), node.Place{Role: node.Worker, Group: "2"}},
		{"head", map[string]string{labelRayCluster: "r", labelRayNodeType: "head"}, node.Place{Role: node.Leader}},
		{"ray worker", map[string]string{labelRayCluster: "r", labelRayNodeType: "worker"}, node.Place{Role: node.Worker}},
		{"ray's other jobs", map[string]string{labelRayCluster: "r", labelRayNodeType: "redis-cleanup"}, node.Place{}},
		{"a node type without a cluster", map[string]string{labelRayNodeType: "worker"}, node.Place{}},
		{"llm-d decode", map[string]string{labelLLMDRole: "decode"}, node.Place{Role: node.Decode}},
		{"llm-d both", map[string]string{labelLLMDRole: "prefill-decode"}, node.Place{}},
		{"disaggregatedset", lws(labelWorkerIndex, "0", labelDisaggregated, "d", labelDisaggregateRole, "decode"), node.Place{Role: node.Decode, Group: "2", PartOf: service("DisaggregatedSet", "d")}},
		{"dynamo", map[string]string{labelDynamoGraph: "g", labelDynamoType: "prefill"}, node.Place{Role: node.Prefill, PartOf: service("DynamoGraphDeployment", "g")}},
		{"dynamo, earlier", map[string]string{labelDynamoGraph: "g", labelDynamoType: "worker", labelDynamoSubType: "decode"}, node.Place{Role: node.Decode, PartOf: service("DynamoGraphDeployment", "g")}},
		{"a worker of dynamo is no worker of a group", map[string]string{labelDynamoGraph: "g", labelDynamoType: "worker"}, node.Place{PartOf: service("DynamoGraphDeployment", "g")}},
		{"inferenceservice before its knative service", map[string]string{labelInferenceService: "i", labelKnativeService: "i-predictor"}, node.Place{PartOf: service("InferenceService", "i")}},
		{"llminferenceservice", map[string]string{labelPartOf: "llminferenceservice", labelName: "m", labelLLMDRole: "both"}, node.Place{PartOf: service("LLMInferenceService", "m")}},
		{"another's part-of", map[string]string{labelPartOf: "shop", labelName: "m"}, node.Place{}},
		{"knative", map[string]string{labelKnativeService: "hello"}, node.Place{PartOf: service("Service", "hello")}},
	} {
		if got := place(test.labels); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestPodUIDOfStaticPod(t *testing.T) {
	mirror := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "mirror", Annotations: map[string]string{corev1.MirrorPodAnnotationKey: "hash"}}}
	if got := podUID(mirror); got != "hash" {
		t.Errorf("uid of a mirror pod is %q, want the static pod's", got)
	}
}

// FuzzApply checks that no bytes of a pod bring down the watch, and that what is kept of a pod is only what may be kept.
func FuzzApply(f *testing.F) {
	data, err := fullPod().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(int32(podsapi.EventType_ADDED), data)
	f.Add(int32(podsapi.EventType_MODIFIED), data[:len(data)/2])
	f.Add(int32(podsapi.EventType_DELETED), []byte{})
	f.Fuzz(func(t *testing.T, kind int32, data []byte) {
		pods := map[string]node.Pod{"there": {}}
		if err := apply(pods, podsapi.EventType(kind), data); err != nil {
			if len(pods) != 1 {
				t.Errorf("a bad event changed the pods: %v", pods)
			}
			return
		}
		for uid, pod := range pods {
			if uid == "there" {
				continue
			}
			if uid == "" || pod.ID.UID != uid {
				t.Errorf("pod %v under uid %q", pod.ID, uid)
			}
			for key := range pod.Annotations {
				if !strings.HasPrefix(key, "gpusignal/") && !strings.HasPrefix(key, "prometheus.") {
					t.Errorf("annotation %q was kept", key)
				}
			}
			for _, ip := range pod.IPs {
				if !ip.IsValid() {
					t.Errorf("address %v was kept", ip)
				}
			}
		}
	})
}
