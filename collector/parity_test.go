package collector

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// parityRow is a row of docs/parity.md: a family of another exporter, what is here in its place, and why.
type parityRow struct{ theirs, ours, note string }

// parityRows are the tables of docs/parity.md, by the heading they stand under.
func parityRows(t *testing.T) map[string][]parityRow {
	t.Helper()
	out := make(map[string][]parityRow)
	heading := ""
	for line := range strings.Lines(document(t, "parity.md")) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "## "); ok {
			heading = title
		}
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		out[heading] = append(out[heading], parityRow{strings.Trim(cells[1], "`"), cells[2], cells[3]})
	}
	return out
}

func document(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// nvmlHeader is the nvml.h that our binding is made from.
func nvmlHeader(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/NVIDIA/go-nvml").Output()
	if err != nil {
		t.Fatalf("find go-nvml: %v", err)
	}
	content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "pkg", "nvml", "nvml.h"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestParityIsWhole holds that every family of theirs has one row, and that no row is of a family they do not have.
func TestParityIsWhole(t *testing.T) {
	rows := parityRows(t)
	for heading, file := range map[string]string{
		"dcgm-exporter, the default set":       "dcgm-exporter.txt",
		"dcgm-exporter, what is commented out": "dcgm-exporter-optional.txt",
		"nvidia_gpu_exporter, NVML mode":       "nvidia_gpu_exporter.txt",
	} {
		content, err := os.ReadFile(filepath.Join("testdata", "parity", file))
		if err != nil {
			t.Fatal(err)
		}
		theirs := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(content)), "\n"), func(line string) bool { return strings.HasPrefix(line, "#") })
		var told []string
		for _, row := range rows[heading] {
			told = append(told, row.theirs)
		}
		for _, name := range theirs {
			if n := len(told) - len(slices.DeleteFunc(slices.Clone(told), func(s string) bool { return s == name })); n != 1 {
				t.Errorf("%s: %d rows of %s, want 1", heading, n, name)
			}
		}
		if len(told) != len(theirs) {
			t.Errorf("%s: %d rows of %d families", heading, len(told), len(theirs))
		}
	}
}

// TestParityIsTrue holds every row to the code: what is named here is published, with the label value that is named; what is not
// through NVML cites a field of DCGM and was looked for in nvml.h; and what NVML is said to have it has.
func TestParityIsTrue(t *testing.T) {
	metrics, header := document(t, "metrics.md"), nvmlHeader(t)
	published := seriesOf(t, everythingOf(full()))
	for heading, rows := range parityRows(t) {
		for _, row := range rows {
			switch row.ours {
			case "left out":
				if len(row.note) < 10 {
					t.Errorf("%s: %s is left out without a reason", heading, row.theirs)
				}
			case "not through NVML":
				for _, problem := range sought(row.note, header) {
					t.Errorf("%s: %s: %s", heading, row.theirs, problem)
				}
			default:
				for _, problem := range served(row.ours, metrics, published) {
					t.Errorf("%s: %s: %s", heading, row.theirs, problem)
				}
			}
		}
	}
	// Outside the tables too, what was searched for in vain is not there.
	for _, words := range regexp.MustCompile("[Ss]earched\\s+nvml\\.h\\s+for\\s+((?:`[^`]+`(?:,? and |, )?)+)").FindAllStringSubmatch(document(t, "parity.md"), -1) {
		for word := range strings.SplitSeq(words[1], "`") {
			if len(word) > 5 && strings.Contains(header, word) {
				t.Errorf("nvml.h has %s", word)
			}
		}
	}
	for _, name := range regexp.MustCompile("`((?:nvml|NVML_)[A-Za-z0-9_]+)`").FindAllStringSubmatch(citations(t), -1) {
		if !strings.Contains(header, name[1]) {
			t.Errorf("%s is said to be in nvml.h and is not", name[1])
		}
	}
}

// citations are the rows that say what NVML has.
func citations(t *testing.T) string {
	var out strings.Builder
	for _, rows := range parityRows(t) {
		for _, row := range rows {
			if row.ours == "left out" {
				out.WriteString(row.note + "\n")
			}
		}
	}
	return out.String()
}

// sought says what is wrong with a note on something that NVML does not have.
func sought(note, header string) (problems []string) {
	found := regexp.MustCompile("^DCGM: `DCGM_[A-Z0-9_]+`\\. Searched nvml\\.h for ((?:`[^`]+`(?:, )?)+): none\\.").FindStringSubmatch(note)
	if found == nil {
		return []string{"it does not cite the field of DCGM and what was searched for in nvml.h"}
	}
	for _, word := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(found[1], -1) {
		if strings.Contains(header, word[1]) {
			problems = append(problems, "nvml.h has "+word[1])
		}
	}
	return problems
}

// served says which of the names given are not published as they are written.
func served(names, metrics string, published map[string]string) (problems []string) {
	found := regexp.MustCompile("`([A-Za-z0-9_]+)(\\{[^`]*\\})?`").FindAllStringSubmatch(names, -1)
	if len(found) == 0 {
		return []string{"nothing of ours is named"}
	}
	for _, name := range found {
		if !strings.Contains(metrics, "| `"+name[1]+"` |") {
			problems = append(problems, name[1]+" is not in metrics.md")
		}
		label := strings.Trim(name[2], "{}")
		if label == "" || strings.HasPrefix(name[1], prefix+"device_capability") {
			continue
		}
		there := false
		for series := range published {
			there = there || strings.HasPrefix(series, name[1]+"{") && strings.Contains(series, label)
		}
		if !there {
			problems = append(problems, name[1]+" has no series with "+label)
		}
	}
	return problems
}

// A row that is wrong is seen.
func TestParityRowsThatAreWrong(t *testing.T) {
	const header = "nvmlDeviceGetName(); NVML_FI_DEV_POWER_AVERAGE"
	for name, problems := range map[string][]string{
		"no citation":    sought("only DCGM knows", header),
		"no search":      sought("DCGM: `DCGM_FI_DEV_X`.", header),
		"it is there":    sought("DCGM: `DCGM_FI_DEV_X`. Searched nvml.h for `Nothing`, `POWER_AVERAGE`: none. So.", header),
		"no name":        served("something", "| `a` |", nil),
		"no such family": served("`b`", "| `a` |", nil),
		"no such value":  served("`a{x=\"2\"}`", "| `a` |", map[string]string{`a{x="1"}`: "0"}),
	} {
		if len(problems) != 1 {
			t.Errorf("%s: %q", name, problems)
		}
	}
	for name, problems := range map[string][]string{
		"searched": sought("DCGM: `DCGM_FI_DEV_X`. Searched nvml.h for `Nothing`, `Health`: none. So.", header),
		"served":   served("`a{x=\"1\"}`, `a`", "| `a` |", map[string]string{`a{x="1"}`: "0"}),
	} {
		if len(problems) != 0 {
			t.Errorf("%s: %q", name, problems)
		}
	}
}

// With --collector.dcgm the default set is served, save what parity.md leaves out.
func TestDefaultSetOfDCGMIsServed(t *testing.T) {
	described := newDCGMPart("").describe()
	names := make(map[string]bool)
	for _, d := range described {
		names[d.name] = true
	}
	for _, row := range parityRows(t)["dcgm-exporter, the default set"] {
		served := names[row.theirs] || slices.Contains(described[0].labels.names, row.theirs)
		if want := row.ours != "left out"; served != want {
			t.Errorf("%s: served %v, parity.md says %v", row.theirs, served, want)
		}
		delete(names, row.theirs)
	}
	for name := range names {
		t.Errorf("%s is served and is not in the default set", name)
	}
}

// TestParityNamesWhatNeedsDetail holds the list of what is there with --collector.detail only to the code: the families, and of
// the others the values of labels.
func TestParityNamesWhatNeedsDetail(t *testing.T) {
	_, section, _ := strings.Cut(document(t, "parity.md"), "## What needs `--collector.detail`")
	section, _, _ = strings.Cut(section, "\n## ")
	families := func(detail bool) map[string]map[string]bool {
		out := make(map[string]map[string]bool)
		gathered, err := collectorWith(full(), Config{Detail: detail}).Metrics().Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range gathered {
			labels := make(map[string]bool)
			for _, m := range family.Metric {
				for name, value := range labelsOf(m) {
					if name == "unit" || name == "reason" || name == "clock" {
						labels[value] = true
					}
				}
			}
			out[family.GetName()] = labels
		}
		return out
	}
	standard, more := families(false), families(true)
	want := make(map[string]bool)
	for name, labels := range more {
		if standard[name] == nil {
			want[name] = true
			continue
		}
		for value := range labels {
			if !standard[name][value] {
				want[name], want[value] = true, true
			}
		}
	}
	want["gpusignal_device_events_total"] = true // its kinds stand at 0 from the start
	said := make(map[string]bool)
	for _, word := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(section, -1) {
		if word[1] != "unit" && word[1] != "reason" && word[1] != "clock" && !want[word[1]] {
			t.Errorf("%s is said to need --collector.detail and does not", word[1])
		}
		said[word[1]] = true
	}
	for word := range want {
		if !said[word] {
			t.Errorf("%s needs --collector.detail, which is not said", word)
		}
	}
}
