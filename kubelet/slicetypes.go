package kubelet

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// sliceVersion is where ResourceSlices are since Kubernetes 1.34.
func sliceVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: "resource.k8s.io", Version: "v1"}
}

// resourceSlice is of a ResourceSlice what gpusignal reads, in JSON. The types of k8s.io/api/resource/v1 would add 1 MB to
// the binary.
type resourceSlice struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              resourceSliceSpec `json:"spec"`
}

type resourceSliceSpec struct {
	Driver string `json:"driver"`
	Pool   struct {
		Name       string `json:"name"`
		Generation int64  `json:"generation"`
	} `json:"pool"`
	Devices []resourceDevice `json:"devices"`
}

type resourceDevice struct {
	Name       string                       `json:"name"`
	Attributes map[string]resourceAttribute `json:"attributes"`
}

// resourceAttribute is nil where the attribute is of another type.
type resourceAttribute struct {
	String *string `json:"string"`
}

// DeepCopyObject copies the slice. What Spec refers to is shared: nobody writes to it once it is read.
func (s *resourceSlice) DeepCopyObject() runtime.Object {
	out := &resourceSlice{TypeMeta: s.TypeMeta, Spec: s.Spec}
	s.DeepCopyInto(&out.ObjectMeta)
	return out
}

// resourceSliceList is a list of them.
type resourceSliceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []resourceSlice `json:"items"`
}

// DeepCopyObject copies the list; it shares what its slices share.
func (l *resourceSliceList) DeepCopyObject() runtime.Object {
	out := &resourceSliceList{TypeMeta: l.TypeMeta, Items: make([]resourceSlice, len(l.Items))}
	l.DeepCopyInto(&out.ListMeta)
	for i := range l.Items {
		out.Items[i] = *l.Items[i].DeepCopyObject().(*resourceSlice)
	}
	return out
}
