// Package kubelet learns from the kubelet and the API server which container may use which device, and which pods run on
// this node. Claims come from the pod-resources socket; pods from the pods-api socket (Kubernetes 1.37 and later) or, where
// there is none, from a watch of the API server. Everything is kept in memory and handed out at once.
package kubelet
