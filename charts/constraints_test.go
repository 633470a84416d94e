package charts_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// constraints are OpenShift's SecurityContextConstraints (security.openshift.io/v1), as far as the chart may use them. OpenShift's
// own module has no versions to depend on.
type constraints struct {
	metav1.TypeMeta
	metav1.ObjectMeta `json:"metadata"`

	Priority                 *int32              `json:"priority"`
	AllowPrivilegedContainer bool                `json:"allowPrivilegedContainer"`
	AllowPrivilegeEscalation bool                `json:"allowPrivilegeEscalation"`
	AllowedCapabilities      []corev1.Capability `json:"allowedCapabilities"`
	DefaultAddCapabilities   []corev1.Capability `json:"defaultAddCapabilities"`
	RequiredDropCapabilities []corev1.Capability `json:"requiredDropCapabilities"`
	AllowHostDirVolumePlugin bool                `json:"allowHostDirVolumePlugin"`
	AllowHostNetwork         bool                `json:"allowHostNetwork"`
	AllowHostPorts           bool                `json:"allowHostPorts"`
	AllowHostPID             bool                `json:"allowHostPID"`
	AllowHostIPC             bool                `json:"allowHostIPC"`
	ReadOnlyRootFilesystem   bool                `json:"readOnlyRootFilesystem"`
	RunAsUser                strategy            `json:"runAsUser"`
	SELinuxContext           strategy            `json:"seLinuxContext"`
	FSGroup                  strategy            `json:"fsGroup"`
	SupplementalGroups       strategy            `json:"supplementalGroups"`
	SeccompProfiles          []string            `json:"seccompProfiles"`
	Volumes                  []string            `json:"volumes"`
}

type strategy struct {
	Type string `json:"type"`
}

// DeepCopyObject makes it an object; nothing here copies one.
func (c *constraints) DeepCopyObject() runtime.Object { return c }

// Of the fields that OpenShift's CustomResourceDefinition requires none may be left out; some of them may be null.
func TestConstraintsHaveWhatIsRequired(t *testing.T) {
	required := []string{
		"allowHostDirVolumePlugin", "allowHostIPC", "allowHostNetwork", "allowHostPID", "allowHostPorts", "allowPrivilegedContainer",
		"allowedCapabilities", "defaultAddCapabilities", "priority", "readOnlyRootFilesystem", "requiredDropCapabilities", "volumes",
	}
	for _, mode := range []string{"runtimeClass", "hostPath"} {
		var fields map[string]any
		for document := range strings.SplitSeq(render(t, "--set", "securityContextConstraints.create=true,gpuAccess.mode="+mode), "\n---\n") {
			if !strings.Contains(document, "\nkind: SecurityContextConstraints\n") {
				continue
			}
			if err := yaml.Unmarshal([]byte(document), &fields); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range required {
			if _, ok := fields[name]; !ok {
				t.Errorf("%s: no field %s in %v", mode, name, fields)
			}
		}
	}
}

func addConstraints(s *runtime.Scheme) error {
	s.AddKnownTypeWithName(schema.GroupVersionKind{Group: "security.openshift.io", Version: "v1", Kind: "SecurityContextConstraints"}, &constraints{})
	return nil
}
