package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// What the file of --web.config.file makes any path answer, as docs/openapi.yaml has it.
func TestAnswersOfTheWebConfiguration(t *testing.T) {
	// A hash of nothing that anybody knows.
	const hash = "$2y$04$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	tests := []struct {
		name, file, later string
		want              int
	}{
		{"a password", "basic_auth_users: {prometheus: " + hash + "}\n", "", http.StatusUnauthorized},
		{"a rate", "rate_limit: {interval: 24h, burst: 0}\n", "", http.StatusTooManyRequests},
		{"a file that breaks", "{}\n", "tls: yes\n", http.StatusInternalServerError},
	}
	described, err := os.ReadFile("docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "web.yml")
			write := func(content string) {
				if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(tt.file)
			_, address, stop := startSimulated(t, "--web.config.file="+file)
			defer stop()
			if tt.later != "" {
				get(t, address, "/-/healthy")
				write(tt.later)
			}
			for _, path := range []string{"/metrics", "/-/healthy", "/api/v1/node"} {
				if status, body := fetch(t, address, path); status != tt.want || body != http.StatusText(tt.want)+"\n" {
					t.Errorf("GET %s: %d: %s", path, status, body)
				}
			}
			if !strings.Contains(string(described), "#/components/responses/"+strconv.Itoa(tt.want)+"'") {
				t.Errorf("docs/openapi.yaml does not describe %d", tt.want)
			}
		})
	}
}
