{{- define "ocr.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "ocr.labels" -}}
{{ include "ocr.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "ocr.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* A setting's value as text. Helm reads every number as a float, and would write 2000000 as 2e+06. */}}
{{- define "ocr.text" -}}
{{- if kindIs "float64" . }}{{ toJson . }}{{ else }}{{ toString . }}{{ end }}
{{- end }}

{{/* What the gateway's pod runs: `vllm` only where the engine is in the same pod. */}}
{{- define "ocr.podEngine" -}}
{{- if and (eq .Values.engine "vllm") .Values.separateEngine }}external{{ else }}{{ .Values.engine }}{{ end }}
{{- end }}

{{- define "ocr.engineUrl" -}}
{{- if eq .Values.engine "external" }}{{ .Values.externalUrl }}{{ else }}dns+http://{{ include "ocr.name" . }}-engine:8118/v1{{ end }}
{{- end }}

{{- define "ocr.engineModels" -}}
{{- range $index, $model := .Values.externalModels }}{{ if $index }},{{ end }}{{ $model.name }}={{ $model.url }}{{ end }}
{{- end }}

{{/* Whether two pods of the gateway may be there at once. */}}
{{- define "ocr.updatesRolling" -}}
{{- $onePodGpu := and (eq (include "ocr.podEngine" .) "vllm") }}
{{- $keptJobs := or .Values.jobs.claim.enabled (eq .Values.jobs.store "bucket") }}
{{- $ownJobs := and .Values.jobs.enabled $keptJobs (not .Values.jobs.database) }}
{{- if not (or $onePodGpu $ownJobs) }}true{{ end }}
{{- end }}

{{/* Stops where values do not go together. */}}
{{- define "ocr.check" -}}
{{- $several := or (gt (int .Values.replicas) 1) (and (ne .Values.autoscaling.kind "none") (not .Values.separateEngine)) }}
{{- $claim := .Values.jobs.claim }}
{{- if and (eq .Values.engine "external") (not (or .Values.externalUrl .Values.externalModels)) }}{{ fail "engine: external needs externalUrl or externalModels." }}{{ end }}
{{- if and .Values.externalUrl (ne .Values.engine "external") }}{{ fail "externalUrl needs engine: external." }}{{ end }}
{{- range $setting := list "HOST" "PORT" "VLM_ENGINE" }}
{{- if hasKey $.Values.settings $setting }}{{ fail (printf "settings.%s is the chart's own: probes, the Service and the image go by it." $setting) }}{{ end }}
{{- end }}
{{- if and .Values.externalUrl .Values.externalModels }}{{ fail "externalModels stands in the place of externalUrl; set one of them." }}{{ end }}
{{- if and .Values.externalModels (ne .Values.engine "external") }}{{ fail "externalModels needs engine: external." }}{{ end }}
{{- if and .Values.separateEngine (ne .Values.engine "vllm") }}{{ fail "separateEngine needs engine: vllm." }}{{ end }}
{{- $inBucket := eq .Values.jobs.store "bucket" }}
{{- if and $inBucket (not .Values.s3.bucket) }}{{ fail "jobs.store: bucket needs s3.bucket." }}{{ end }}
{{- if and $several .Values.jobs.enabled (not (and .Values.jobs.database (or $inBucket $claim.enabled))) }}{{ fail "Several replicas share their jobs: set jobs.database and jobs.claim (or jobs.store: bucket), or jobs.enabled: false." }}{{ end }}
{{- if and $several .Values.jobs.enabled (not $inBucket) (not $claim.existing) (ne $claim.accessMode "ReadWriteMany") }}{{ fail "Several replicas write one volume: jobs.claim.accessMode is ReadWriteMany." }}{{ end }}
{{- if and .Values.jobs.database (not .Values.existingSecret) }}{{ fail "jobs.database needs existingSecret with database-url." }}{{ end }}
{{- if and (eq .Values.autoscaling.kind "hpa") .Values.separateEngine }}{{ fail "A separate engine is scaled by autoscaling.kind: keda." }}{{ end }}
{{- if gt (int .Values.autoscaling.min) (int .Values.autoscaling.max) }}{{ fail "autoscaling.min is larger than autoscaling.max." }}{{ end }}
{{- if and (ne .Values.autoscaling.kind "none") (eq (int .Values.autoscaling.min) 0) (not .Values.separateEngine) }}{{ fail "autoscaling.min: 0 needs separateEngine: it is gateways that tell of waiting regions." }}{{ end }}
{{- if and (eq .Values.autoscaling.kind "keda") (not .Values.autoscaling.prometheusUrl) }}{{ fail "autoscaling.kind: keda needs autoscaling.prometheusUrl." }}{{ end }}
{{- if and .Values.monitoring.keySecretKey (not .Values.existingSecret) }}{{ fail "monitoring.keySecretKey needs existingSecret." }}{{ end }}
{{- end }}

{{- define "ocr.image" -}}
{{- $image := .image }}
{{- printf "%s:%s" $image.repository (default (printf "%s-%s" .root.Chart.AppVersion .kind) $image.tag) }}
{{- end }}

{{/* None where the settings have it: they win. */}}
{{- define "ocr.secretVariable" -}}
{{- if not (hasKey (default (dict) .settings) .name) }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end }}
{{- end }}

{{- define "ocr.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 0
fsGroup: 0
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Takes whether the root file system is read-only. */}}
{{- define "ocr.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: {{ . }}
capabilities:
  drop: ["ALL"]
{{- end }}

{{/* Goes on where it was interrupted; with the weights there it takes seconds. */}}
{{- define "ocr.fetchWeights" -}}
- name: weights
  image: {{ .image }}
  args: ["fetch-models"]
  env:
    - name: VLM_MODEL
      value: {{ .root.Values.model.name | quote }}
    - name: VLM_MODEL_DIR
      value: /models
    {{- with .root.Values.existingSecret }}
    {{- include "ocr.secretVariable" (dict "name" "HF_TOKEN" "secret" . "key" "hf-token" "optional" true) | nindent 4 }}
    {{- end }}
  securityContext:
    {{- include "ocr.containerSecurity" true | nindent 4 }}
  volumeMounts:
    - name: weights
      mountPath: /models
    - name: temp
      mountPath: /app/temp
    - name: tmp
      mountPath: /tmp
{{- end }}

{{/* The engine's settings, as a mapping. */}}
{{- define "ocr.engineSettings" -}}
VLM_ENGINE: vllm
VLM_MODEL: {{ .Values.model.name | quote }}
{{- if eq .Values.model.weights "claim" }}
VLM_MODEL_DIR: /models
{{- end }}
{{- end }}

{{/* The gateway's, and those of an engine in its pod. */}}
{{- define "ocr.gatewaySettings" -}}
{{- $engine := include "ocr.podEngine" . }}
HOST: 0.0.0.0
PORT: 8081
# Whoever reaches a pod comes by the Service or by an Ingress, which has names of its own.
ALLOWED_HOSTS: "*"
{{- if eq $engine "vllm" }}
{{ include "ocr.engineSettings" . }}
{{- else }}
VLM_ENGINE: {{ $engine }}
{{- end }}
{{- if and (eq .Values.engine "external") .Values.externalModels }}
VLM_MODELS: {{ include "ocr.engineModels" . | quote }}
{{- else if eq $engine "external" }}
VLM_BASE_URL: {{ include "ocr.engineUrl" . | quote }}
{{- end }}
{{- if not .Values.jobs.enabled }}
JOBS: "false"
{{- end }}
{{- if eq .Values.jobs.store "bucket" }}
DATA_STORE: bucket
{{- end }}
{{- if .Values.keysSecret }}
API_KEYS_FILE: /etc/paddleocr-vl/keys.yaml
{{- end }}
{{- with .Values.s3 }}
{{- if .bucket }}
S3_BUCKET: {{ .bucket | quote }}
S3_REGION: {{ .region | quote }}
{{- with .endpointUrl }}
S3_ENDPOINT_URL: {{ . | quote }}
{{- end }}
{{- with .prefix }}
S3_PREFIX: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.tracing }}
{{- if .endpoint }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ .endpoint | quote }}
OTEL_TRACES_SAMPLER_ARG: {{ toJson .share }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ocr.engineMounts" -}}
{{- if eq .Values.model.weights "claim" }}
- name: weights
  mountPath: /models
{{- end }}
- name: shm
  mountPath: /dev/shm
{{- end }}

{{- define "ocr.engineVolumes" -}}
{{- if eq .Values.model.weights "claim" }}
- name: weights
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-weights" (include "ocr.name" .)) .Values.model.claim.existing }}
{{- end }}
- name: shm
  emptyDir:
    medium: Memory
    sizeLimit: {{ .Values.gpu.sharedMemory }}
{{- end }}

{{- define "ocr.folders" -}}
- name: temp
  mountPath: /app/temp
- name: cache
  mountPath: /app/cache
- name: tmp
  mountPath: /tmp
{{- end }}

{{- define "ocr.folderVolumes" -}}
- name: temp
  emptyDir:
    sizeLimit: 10Gi
- name: cache
  emptyDir:
    sizeLimit: 10Gi
- name: tmp
  emptyDir:
    sizeLimit: 2Gi
{{- end }}

{{- define "ocr.gpuResources" -}}
requests:
  cpu: "4"
  memory: 12Gi
  {{ .Values.gpu.resource }}: {{ .Values.gpu.count | quote }}
limits:
  memory: 24Gi
  {{ .Values.gpu.resource }}: {{ .Values.gpu.count | quote }}
{{- end }}

{{- define "ocr.gpuTolerations" -}}
- key: {{ .Values.gpu.resource }}
  operator: Exists
  effect: NoSchedule
{{- end }}

{{- define "ocr.scheduling" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
