package load

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestComplete checks what goes over the wire, and reads what the answers say.
func TestComplete(t *testing.T) {
	seen := map[string]bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Model, Prompt string
			Most          int `json:"max_tokens"`
		}
		err := json.NewDecoder(r.Body).Decode(&body)
		words := strings.Fields(body.Prompt)
		if err != nil || r.Method != "POST" || r.URL.Path != "/v1/completions" || body.Model != "m" || len(words) != 30 || body.Most != 8 {
			http.Error(w, fmt.Sprintf("not the completion asked for: %v, %+v", err, body), http.StatusBadRequest)
			return
		}
		if seen[words[0]] {
			http.Error(w, "a prompt of the same beginning", http.StatusConflict)
			return
		}
		seen[words[0]] = true
		fmt.Fprintf(w, `{"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":0}}`, len(words)+1, body.Most-1)
	}))
	defer s.Close()
	l := New(Config{Request: Complete("m", 30, 8)})
	began := time.Now()
	for range 5 {
		askOnce(t, l, Target{"a", s.URL})
	}
	if got := l.Between("a", began, time.Now()); got.Requests != 5 || got.Failed > 0 || got.MeanWait <= 0 {
		t.Errorf("%+v, want 5 answered requests, with waits", got)
	}
	prompt, generation := l.Tokens(began, time.Now())
	if math.Abs(prompt-5*31) > 1e-6 || math.Abs(generation-5*7) > 1e-6 {
		t.Errorf("%v and %v tokens, want %d and %d", prompt, generation, 5*31, 5*7)
	}
	l.cfg.Client.CloseIdleConnections()
}

func TestCompleteSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ answer, err string }{
		{`{"usage":{"prompt_tokens":1,"completion_tokens":1}}`, ""},
		{`{}`, `/v1/completions": no usage in "{}"`},
		{`not JSON`, `/v1/completions": decode: invalid character`},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, c.answer) }))
		l := New(Config{Request: Complete("m", 1, 1)})
		began := time.Now()
		askOnce(t, l, Target{"a", s.URL})
		got := l.Between("", began, time.Now())
		if (got.Err == nil) != (c.err == "") || got.Err != nil && !strings.Contains(got.Err.Error(), c.err) {
			t.Errorf("%q: %v, want %q", c.answer, got.Err, c.err)
		}
		l.cfg.Client.CloseIdleConnections()
		s.Close()
	}
}

// TestPrompts finds the same prompts for the same seed, and others for another.
func TestPrompts(t *testing.T) {
	prompt := func(seed uint64, n int) string {
		b, err := json.Marshal(Complete("m", 3, 1).body(seed, n))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if want := `{"max_tokens":1,"model":"m","prompt":"1-2 word word"}`; prompt(1, 2) != want {
		t.Errorf("%s, want %s", prompt(1, 2), want)
	}
	if prompt(1, 2) == prompt(2, 2) || prompt(1, 2) == prompt(1, 3) {
		t.Error("two prompts are the same")
	}
}
