// Package dashboards_test holds the dashboards of this folder to what Grafana expects and the daemon publishes. That their queries
// answer is held by test/e2e/prometheus.
package dashboards_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// source is the data source that a variable of the dashboard names.
const source = "${datasource}"

type datasource struct{ Type, UID string }

// dashboard is what the tests read of Grafana's model of one.
type dashboard struct {
	UID, Title, Description string
	SchemaVersion           int
	Templating              struct{ List []variable }
	Panels                  []panel
}

type variable struct {
	Name, Type string
	Definition string
	Query      json.RawMessage
	Datasource *datasource
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               *datasource
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct {
		RefID, Expr string
		Interval    string // least step, four of which $__rate_interval has
		Datasource  *datasource
	}
	FieldConfig struct {
		Defaults struct{ Unit string }
	}
}

// read returns the dashboards by their file, with their text.
func read(t *testing.T) (parsed map[string]dashboard, text map[string]string) {
	t.Helper()
	parsed, text = make(map[string]dashboard), make(map[string]string)
	paths, _ := filepath.Glob("*.json")
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(content, &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		parsed[path], text[path] = d, string(content)
	}
	if len(parsed) == 0 {
		t.Fatal("no dashboard")
	}
	return parsed, text
}

func TestShape(t *testing.T) {
	dashboards, _ := read(t)
	uids := make(map[string]string)
	for path, d := range dashboards {
		if d.UID == "" || d.Title == "" || d.Description == "" || d.SchemaVersion < 39 {
			t.Errorf("%s: uid %q, title %q, description %q, schema %d", path, d.UID, d.Title, d.Description, d.SchemaVersion)
		}
		if other, ok := uids[d.UID]; ok {
			t.Errorf("%s and %s have one uid", path, other)
		}
		uids[d.UID] = path
		ids, titles := make(map[int]string), make(map[string]bool)
		for _, p := range d.Panels {
			if other, ok := ids[p.ID]; ok || p.ID < 1 {
				t.Errorf("%s: %q and %q have the id %d", path, p.Title, other, p.ID)
			}
			if ids[p.ID] = p.Title; p.Title == "" || titles[p.Title] {
				t.Errorf("%s: %d panels before, and one more, are called %q", path, len(titles), p.Title)
			}
			titles[p.Title] = true
		}
	}
}

func TestPanelsDoNotOverlap(t *testing.T) {
	const columns = 24
	dashboards, _ := read(t)
	for path, d := range dashboards {
		taken := make(map[[2]int]string)
		for _, p := range d.Panels {
			g := p.GridPos
			if g.W < 1 || g.H < 1 || g.X < 0 || g.Y < 0 || g.X+g.W > columns {
				t.Errorf("%s: %q is at %+v", path, p.Title, g)
			}
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other, ok := taken[[2]int{x, y}]; ok {
						t.Fatalf("%s: %q lies on %q", path, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

func TestEachPanelSaysWhatItShows(t *testing.T) {
	dashboards, _ := read(t)
	for path, d := range dashboards {
		for _, p := range d.Panels {
			if p.Type == "row" {
				continue
			}
			if len(p.Targets) == 0 || p.FieldConfig.Defaults.Unit == "" || !strings.HasSuffix(p.Description, ".") {
				t.Errorf("%s: %q has %d queries, the unit %q, and says %q", path, p.Title, len(p.Targets), p.FieldConfig.Defaults.Unit, p.Description)
			}
			var refs []string
			for _, target := range p.Targets {
				if slices.Contains(refs, target.RefID) || target.RefID == "" {
					t.Errorf("%s: %q has two queries %q", path, p.Title, target.RefID)
				}
				refs = append(refs, target.RefID)
			}
		}
	}
}

func TestTheDataSourceIsAVariable(t *testing.T) {
	dashboards, _ := read(t)
	for path, d := range dashboards {
		used := func(what string, ds *datasource) {
			if ds == nil || ds.Type != "prometheus" || ds.UID != source {
				t.Errorf("%s: %s reads %+v", path, what, ds)
			}
		}
		if first := d.Templating.List[0]; first.Name != "datasource" || first.Type != "datasource" || string(first.Query) != `"prometheus"` {
			t.Errorf("%s: the first variable is %+v", path, first)
		}
		for _, v := range d.Templating.List[1:] {
			used("variable "+v.Name, v.Datasource)
		}
		for _, p := range d.Panels {
			if p.Type == "row" {
				continue
			}
			used(p.Title, p.Datasource)
			for _, target := range p.Targets {
				used(p.Title+" "+target.RefID, target.Datasource)
			}
		}
	}
}

// Every variable is used, and every one that is used is there or Grafana's own.
func TestVariables(t *testing.T) {
	dashboards, text := read(t)
	for path, d := range dashboards {
		var names []string
		for _, v := range d.Templating.List {
			names = append(names, v.Name)
			if !regexp.MustCompile(`\$\{?` + v.Name + `\b`).MatchString(text[path]) {
				t.Errorf("%s: nothing uses the variable %s", path, v.Name)
			}
		}
		for _, name := range []string{"job", "instance"} {
			if !slices.Contains(names, name) {
				t.Errorf("%s has no variable %s", path, name)
			}
		}
		for _, use := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(text[path], -1) {
			if name := use[1]; !strings.HasPrefix(name, "__") && !slices.Contains(names, name) {
				t.Errorf("%s: there is no variable %s", path, name)
			}
		}
	}
}

func TestLinksLeadToADashboardHere(t *testing.T) {
	dashboards, text := read(t)
	var uids []string
	for _, d := range dashboards {
		uids = append(uids, d.UID)
	}
	found := 0
	for path := range dashboards {
		for _, link := range regexp.MustCompile(`/d/([\w-]+)`).FindAllStringSubmatch(text[path], -1) {
			if found++; !slices.Contains(uids, link[1]) {
				t.Errorf("%s leads to %s", path, link[1])
			}
		}
	}
	if found == 0 {
		t.Error("no link leads from one dashboard to another")
	}
}
