package node

import "testing"

func TestKindOfImage(t *testing.T) {
	kinds := []Kind{{Name: "none"}, {Name: "a", Images: []string{"vllm", "nim/"}}, {Name: "b", Images: []string{"vllm"}}}
	for image, want := range map[string]bool{
		"vllm/vllm-openai:v0.11": true,
		"vllm":                   true,
		"rocm/vllm@sha256:0123":  true,
		"public.ecr.aws/deep-learning/vllm-gpu:1":      true,
		"registry.vllm.example:5000/vision/classifier": false,
		"example.com/chat/not-vllm:1":                  false,
		"nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8":   true,
		"nvcr.io/nimble/thing":                         false,
		"nim":                                          false,
		"example.com/anim/shop":                        false,
		"vllm-project/guidellm":                        false,
		"vllm/semantic-router":                         false,
		"lmcache/vllm-router:1":                        false,
		"vllm-benchmark":                               false,
		"example.com/team/vllm:0.11-client":            false,
		"example.com/sdk/vllm-routers":                 true,
		"":                                             false,
	} {
		if got := kindOfImage(kinds, image); (got == "a") != want || got == "b" {
			t.Errorf("%q: %q, want a: %v", image, got, want)
		}
	}
}

// A word that the kind itself has is none that speaks against it.
func TestKindOfAnImageThatIsNamedSo(t *testing.T) {
	kinds := []Kind{{Name: "a", Images: []string{"acme-router"}}}
	for image, want := range map[string]string{"example.com/acme-router:1": "a", "example.com/acme-router-sdk:1": ""} {
		if got := kindOfImage(kinds, image); got != want {
			t.Errorf("%q: %q, want %q", image, got, want)
		}
	}
}

func TestKindOfCommand(t *testing.T) {
	kinds := []Kind{{Name: "a", Commands: []string{"vllm serve", "vllm.entrypoints.openai.api_server", "triton"}}}
	for _, tt := range []struct {
		args []string
		want bool
	}{
		{[]string{"vllm", "serve", "m"}, true},
		{[]string{"/opt/venv/bin/vllm", "serve"}, true},
		{[]string{"sh", "-c", "exec vllm serve m --port 1"}, true},
		{[]string{"python3", "-m", "vllm.entrypoints.openai.api_server"}, true},
		{[]string{"vllm", "bench", "serve"}, false},
		{[]string{"serve", "vllm"}, false},
		{[]string{"vllm"}, false},
		{[]string{"worker", "--backend-url=http://vllm:8000"}, false},
		{[]string{"worker", "--backend-url=http://example.com/triton"}, false},
		{[]string{"worker", "--backend-url", "http://triton"}, false},
		{[]string{"worker", "--model=/models/triton", "HOME=/triton"}, false},
		{[]string{"HOME=/root", "/opt/triton/bin/triton", "--model=/models/a"}, true},
		{nil, false},
	} {
		if got := kindOfCommand(kinds, tt.args); (got == "a") != tt.want {
			t.Errorf("%q: %q, want a: %v", tt.args, got, tt.want)
		}
	}
}

// An image tells before a command line does, whichever container it is of.
func TestKindOf(t *testing.T) {
	kinds := []Kind{{Name: "a", Images: []string{"a"}, Commands: []string{"a serve"}}, {Name: "b", Images: []string{"b"}, Commands: []string{"b serve"}}}
	run := func(image string, args ...string) Container { return Container{Image: image, Args: args} }
	for _, tt := range []struct {
		name       string
		containers []Container
		want       string
		byCommand  bool
	}{
		{"none", nil, "", false},
		{"another program", []Container{run("own", "worker", "--of=a")}, "", false},
		{"an image", []Container{run("proxy"), run("b")}, "b", false},
		{"a command line", []Container{run("proxy"), run("my-a", "b", "serve")}, "b", true},
		{"both, of one container", []Container{run("b", "a", "serve")}, "b", false},
		{"both, of two", []Container{run("own", "a", "serve"), run("b")}, "b", false},
		{"two images", []Container{run("b"), run("a")}, "b", false},
		{"two command lines", []Container{run("own", "b", "serve"), run("own", "a", "serve")}, "b", true},
		{"a client's image that runs the server", []Container{run("a-client", "a", "serve")}, "a", true},
	} {
		if got, byCommand := KindOf(kinds, tt.containers); got != tt.want || byCommand != tt.byCommand {
			t.Errorf("%s: %q, by command %v, want %q, %v", tt.name, got, byCommand, tt.want, tt.byCommand)
		}
	}
}
