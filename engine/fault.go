package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"gpusignal/node"
)

// The faults of an endpoint: why its newest page could not be read.
const (
	FaultUnread      = node.Unread
	FaultRefused     = "refused"
	FaultReset       = "reset"
	FaultTimeout     = "timeout"
	FaultUnreachable = "unreachable"
	FaultTLS         = "tls"
	FaultAuth        = "unauthorized"
	FaultNotFound    = "not_found"
	FaultRedirect    = "redirect"
	FaultTooBig      = "too_big"
	FaultStatus      = "bad_status"
	FaultMalformed   = "malformed"
	FaultNoEngine    = "not_an_engine"
	FaultConfig      = "misconfigured"
	FaultCompressed  = "compressed"
	FaultAmbiguous   = "ambiguous"
	FaultDuplicate   = "duplicate"
	FaultNoPage      = "no_page"
	FaultOptedOut    = "opted_out"
)

// fault is an error that belongs to one of the faults.
type fault struct {
	kind string
	err  error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// faultOf an error, otherwise where the error itself does not tell.
func faultOf(err error, otherwise string) string {
	if f, ok := errors.AsType[*fault](err); ok {
		return f.kind
	}
	return otherwise
}

// networkFault sorts an error of the transport.
func networkFault(err error) string {
	var (
		record    tls.RecordHeaderError
		alert     tls.AlertError
		verify    *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		network   net.Error
		operation *net.OpError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return FaultTimeout
	case errors.As(err, &record), errors.As(err, &alert), errors.As(err, &verify), errors.As(err, &authority),
		errors.Is(err, http.ErrSchemeMismatch):
		return FaultTLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return FaultRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF):
		return FaultReset
	case errors.As(err, &network) && network.Timeout():
		return FaultTimeout
	case errors.As(err, &operation) && operation.Op == "remote error": // An alert of TLS.
		return FaultTLS
	case strings.Contains(err.Error(), `"\x15\x03`): // An alert of TLS where HTTP was expected.
		return FaultTLS
	case strings.Contains(err.Error(), "malformed"):
		return FaultMalformed
	}
	return FaultUnreachable
}

// explain joins what is wrong with what to do about it, for people.
func explain(detail, kind string) string { return detail + "; " + wayOut(kind) }

// wayOut says, for people, what to do about a fault.
func wayOut(kind string) string {
	switch kind {
	case FaultUnread:
		return "it is read within seconds"
	case FaultRefused:
		return "the server is still starting, or listens on another port: see the annotation gpusignal/port"
	case FaultReset:
		return "the server closed the connection before the page was whole: look at its log"
	case FaultTimeout:
		return "the server is too slow, or a network policy drops packets from this pod"
	case FaultUnreachable:
		return "check the address and the network policies"
	case FaultTLS:
		return "check gpusignal/scheme, and that the certificate is made out to the address or the server_name of the namespace and vouched for by its ca_file"
	case FaultAuth:
		return "let the metrics page be read without a token, or give its namespace one under access in --config.file"
	case FaultNotFound:
		return "check the path: see the annotation gpusignal/path"
	case FaultRedirect:
		return "redirects are not followed: give the page's own address in gpusignal/path and gpusignal/scheme"
	case FaultTooBig:
		return "switch off metrics that nobody needs on the server"
	case FaultStatus:
		return "look at the server's log"
	case FaultMalformed:
		return "the page must be Prometheus text format 0.0.4"
	case FaultNoEngine:
		return "check port and path, or wait until the server has loaded a model; vLLM shows none with --disable-log-stats"
	case FaultConfig:
		return "correct it"
	case FaultCompressed:
		return "switch compression off for this page, on the server or the proxy before it"
	case FaultAmbiguous:
		return "give each pod on the host's network a port of its own, and each address to one pod"
	case FaultDuplicate:
		return "announce one of the pod's pages only"
	case FaultNoPage:
		return "if it is a model server, say where its page is with the annotation gpusignal/port"
	case FaultOptedOut:
		return "remove the annotation to have it read"
	}
	return ""
}
