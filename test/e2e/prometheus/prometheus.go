// Package prometheus asks a running Prometheus; its tests run one beside the daemon.
package prometheus

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Server is the address of a running Prometheus, host and port.
type Server string

// Series is a series and its points, as Prometheus answers an instant query.
type Series struct {
	Metric map[string]string `json:"metric"`
	Value  Point             `json:"value"`
	Values []Point           `json:"values"`
}

// Point is a sample.
type Point struct {
	At    time.Time
	Value float64
}

// UnmarshalJSON reads Prometheus' form: [seconds, "value"].
func (p *Point) UnmarshalJSON(content []byte) error {
	var seconds float64
	var value string
	if err := json.Unmarshal(content, &[]any{&seconds, &value}); err != nil {
		return fmt.Errorf("read a sample: %w", err)
	}
	p.At = time.UnixMilli(int64(seconds*1000 + 0.5))
	_, err := fmt.Sscan(value, &p.Value)
	return err
}

// Query at an instant, or now for the zero one.
func (s Server) Query(query string, at time.Time) ([]Series, error) {
	address := "http://" + string(s) + "/api/v1/query?query=" + url.QueryEscape(query)
	if !at.IsZero() {
		address += fmt.Sprintf("&time=%.3f", float64(at.UnixMilli())/1000)
	}
	resp, err := http.Get(address)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []Series }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read the answer to %q: %w", query, err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("query %q: %s", query, answer.Error)
	}
	return answer.Data.Result, nil
}
