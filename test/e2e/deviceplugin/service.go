package deviceplugin

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// visibleDevices is the variable by which NVIDIA's container runtime learns which devices a container gets.
const visibleDevices = "NVIDIA_VISIBLE_DEVICES"

// service answers the kubelet. All devices are healthy, and none needs anything before a container starts.
type service struct {
	api.UnimplementedDevicePluginServer
	ids []string
}

// GetDevicePluginOptions says that the kubelet need make no optional call.
func (s *service) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

// ListAndWatch sends the devices once: they never change. The stream stays open, since its end means that they are gone.
func (s *service) ListAndWatch(_ *api.Empty, stream grpc.ServerStreamingServer[api.ListAndWatchResponse]) error {
	out := &api.ListAndWatchResponse{}
	for _, id := range s.ids {
		out.Devices = append(out.Devices, &api.Device{ID: id, Health: api.Healthy})
	}
	if err := stream.Send(out); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

// Allocate gives each container the names of its devices. An id that was never offered is an error.
func (s *service) Allocate(_ context.Context, in *api.AllocateRequest) (*api.AllocateResponse, error) {
	out := &api.AllocateResponse{}
	for _, c := range in.GetContainerRequests() {
		for _, id := range c.GetDevicesIds() {
			if !slices.Contains(s.ids, id) {
				return nil, status.Errorf(codes.NotFound, "device %q is unknown", id)
			}
		}
		out.ContainerResponses = append(out.ContainerResponses, &api.ContainerAllocateResponse{
			Envs: map[string]string{visibleDevices: strings.Join(boards(c.GetDevicesIds()), ",")},
		})
	}
	return out, nil
}

// boards returns the devices behind ids, each once: "GPU-x::0" and "GPU-x::1" are shares of "GPU-x".
func boards(ids []string) []string {
	var out []string
	for _, id := range ids {
		board, _, _ := strings.Cut(id, "::")
		if !slices.Contains(out, board) {
			out = append(out, board)
		}
	}
	return out
}
