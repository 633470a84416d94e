{{/* The name of what this release makes: the release's, with the chart's unless that is in it. */}}
{{- define "gpusignal.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "gpusignal.fullname" -}}
{{- $name := include "gpusignal.name" . }}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What selects the pods. It may never change: a DaemonSet keeps its selector. */}}
{{- define "gpusignal.selectorLabels" -}}
app.kubernetes.io/name: {{ include "gpusignal.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gpusignal.labels" -}}
{{ include "gpusignal.selectorLabels" . }}
app.kubernetes.io/component: exporter
{{- end }}

{{- define "gpusignal.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}{{ include "gpusignal.fullname" . }}
{{- else }}{{ required "serviceAccount.create is false: give serviceAccount.name" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "gpusignal.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{/* Whether the daemon asks the API server for anything, else empty. Without it there is no role and no token. */}}
{{- define "gpusignal.asksAPI" -}}
{{- if or (has .Values.kubernetes.pods (list "auto" "api")) .Values.kubernetes.dra }}yes{{ end }}
{{- end }}

{{- define "gpusignal.configMapName" -}}
{{- if .Values.existingConfigMap }}{{ .Values.existingConfigMap }}
{{- else if or .Values.config .Values.access }}{{ include "gpusignal.fullname" . }}
{{- end }}
{{- end }}

{{/* A probe of a path. An answer that asks for a password or a certificate would be a failure to the kubelet. */}}
{{- define "gpusignal.probe" -}}
{{- $values := (index . 0).Values }}
{{- if ne $values.web.authentication "none" }}tcpSocket: {port: metrics}
{{- else if $values.web.tls }}httpGet: {path: {{ index . 1 }}, port: metrics, scheme: HTTPS}
{{- else }}httpGet: {path: {{ index . 1 }}, port: metrics}
{{- end }}
{{- end }}

{{/* The command line. What is the daemon's default is left out. */}}
{{- define "gpusignal.args" -}}
{{- $values := .Values }}
{{- if ne (int $values.port) 9478 }}
- --web.listen-address=:{{ $values.port }}
{{- end }}
{{- if $values.web.secret }}
- --web.config.file=/etc/gpusignal/web/web.yml
{{- end }}
{{- if include "gpusignal.configMapName" . }}
- --config.file=/etc/gpusignal/config/gpusignal.yaml
{{- end }}
{{- if ne $values.kubernetes.pods "auto" }}
- --kubernetes.pods={{ $values.kubernetes.pods }}
{{- end }}
{{- if eq $values.gpuAccess.mode "hostPath" }}
- --nvml.library=/usr/local/nvidia/lib64/libnvidia-ml.so.1
{{- end }}
{{- range $flag, $value := $values.flags }}
{{- if kindIs "bool" $value }}
- --{{ if not $value }}no-{{ end }}{{ $flag }}
{{- else if kindIs "slice" $value }}
{{- range $value }}
- {{ printf "--%s=%s" $flag . | quote }}
{{- end }}
{{- else if kindIs "string" $value }}
- {{ printf "--%s=%s" $flag $value | quote }}
{{- else }}
- --{{ $flag }}={{ int64 $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* The GPU nodes. An older GPU operator does not set gpu.deploy.client: then its label of another client tells. */}}
{{- define "gpusignal.nodeSelectorTerms" -}}
{{- $labels := list
  "{key: nvidia.com/gpu.deploy.client, operator: In, values: [\"true\"]}"
  "{key: nvidia.com/gpu.deploy.client, operator: DoesNotExist}" }}
{{- range $term := required "nodeSelectorTerms: name the GPU nodes" .Values.nodeSelectorTerms }}
{{- range $label := $labels }}
- matchExpressions:
    {{- range $term.matchExpressions }}
    - {key: {{ .key }}, operator: {{ .operator }}{{ with .values }}, values: {{ toJson . }}{{ end }}}
    {{- end }}
    - {{ $label }}
    - {key: nvidia.com/gpu.deploy.dcgm-exporter, operator: NotIn, values: [paused-for-driver-upgrade, paused-for-mig-change]}
{{- end }}
{{- end }}
{{- end }}
