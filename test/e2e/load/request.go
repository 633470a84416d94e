package load

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Request is what is asked, over and over: Infer or Complete makes it.
type Request struct {
	path string
	// body is what the n-th request of a load with a seed says, as JSON.
	body func(seed uint64, n int) any
	// service is the compute time that is asked for; 0 when the server chooses.
	service time.Duration
	// counted says that an answer tells how many tokens it took.
	counted bool
}

// Infer asks Triton for an inference that computes for a service time, in whole microseconds. It has to be positive: a server
// takes its own time for 0.
func Infer(model string, service time.Duration) Request {
	service = service.Truncate(time.Microsecond)
	const body = `{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[0]}],"parameters":{"service_time_us":%d}}`
	same := json.RawMessage(fmt.Appendf(nil, body, service.Microseconds()))
	return Request{
		path: "/v2/models/" + url.PathEscape(model) + "/infer", service: service,
		body: func(uint64, int) any { return same },
	}
}

// Complete asks vLLM for a completion of a prompt of so many words, one at least, in so many tokens at most. No two prompts of
// a load begin with the same word, so a prefix cache has none of them. The same seed gives the same prompts.
func Complete(model string, prompt, answer int) Request {
	rest := strings.Repeat(" word", max(0, prompt-1))
	return Request{path: "/v1/completions", counted: true, body: func(seed uint64, n int) any {
		return map[string]any{"model": model, "prompt": fmt.Sprintf("%d-%d", seed, n) + rest, "max_tokens": answer}
	}}
}

// tokens are what a request took.
type tokens struct {
	Prompt     int `json:"prompt_tokens"`
	Generation int `json:"completion_tokens"`
}

// read returns what an answer says that the request took: nothing when it is not counted.
func (q Request) read(answer []byte) (tokens, error) {
	if !q.counted {
		return tokens{}, nil
	}
	var body struct {
		Usage *tokens `json:"usage"`
	}
	if err := json.Unmarshal(answer, &body); err != nil {
		return tokens{}, fmt.Errorf("decode: %w", err)
	}
	if body.Usage == nil {
		return tokens{}, fmt.Errorf("no usage in %.200q", answer)
	}
	return *body.Usage, nil
}
