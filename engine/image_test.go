package engine

import (
	"testing"

	"gpusignal/node"
)

// A pod whose image only has a server's name somewhere in it is asked as any pod with a GPU is: not at every port that it
// declares, nor at the path of that server, and it is no fault that no engine answers.
func TestImagesThatAreNoServers(t *testing.T) {
	plans := append(testPlans(), plansOf(Dialects(), nil)...)
	for image, want := range map[string]bool{
		"vllm/vllm-openai:v0.11":                            true,
		"nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8":        true,
		"nvcr.io/nvidia/tensorrt-llm/release:1.2":           true,
		"registry.vllm.example:5000/vision/classifier":      false,
		"example.com/denim/shop:3":                          false,
		"example.com/team/train:after-vllm":                 false,
		"example.com/team/my-vllm-benchmark":                false,
		"vllm/vllm-router:nightly":                          false,
		"ghcr.io/vllm-project/semantic-router/extproc:v0.1": false,
		"ghcr.io/vllm-project/guidellm:latest":              false,
		"nvcr.io/nvidia/tritonserver:26.10-py3-sdk":         false,
	} {
		t.Run(image, func(t *testing.T) {
			pod := runningPod()
			pod.Containers[0].Image, pod.Containers[0].Ports = image, []node.Port{{Number: 29500}}
			looked := lookedAt(&pod, claimed("main"), plans)
			s := searchOf(looked)
			if s.sure != want || s.has("http://10.1.2.3:29500"+looked.path()) != want {
				t.Errorf("sure %v, asks at %q, want it taken for a server: %v", s.sure, s.places(), want)
			}
			if path := looked.path(); !want && path != defaultPath {
				t.Errorf("path %q", path)
			}
		})
	}
}
