# Two stages: Go with gcc for cgo, then a distroless image with glibc: the driver's library is loaded with dlopen, which a
# static or a musl program cannot do.
FROM golang:1.26-bookworm AS build
ARG VERSION=unknown
ARG REVISION=unknown
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make build VERSION="$VERSION" REVISION="$REVISION"

FROM gcr.io/distroless/base-nossl-debian12
COPY --from=build /src/gpusignal /usr/local/bin/gpusignal
# The NVIDIA container toolkit mounts the driver's library and devices for these two. No GPU is requested or used up.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=utility
# Only uid 0 may connect to the kubelet's pod-resources socket; no capability is needed.
USER 0
EXPOSE 9478
ENTRYPOINT ["/usr/local/bin/gpusignal"]
