{{- define "yamabiko.name" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trimSuffix "-yamabiko" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "yamabiko.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "yamabiko.labels" -}}
{{ include "yamabiko.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}
