{{- /* Only what Go's templates know by themselves is used here, so that the chart renders without helm, too. */ -}}

{{- /* Any value as JSON, which is YAML. Helm hands over numbers as floats, which Go would print as 1e+06. */ -}}
{{- define "toril.json" -}}
{{- $kind := printf "%T" . -}}
{{- if eq $kind "string" -}}{{ printf "%q" . }}
{{- else if or (eq $kind "map[string]interface {}") (eq $kind "map[interface {}]interface {}") -}}
{{- $first := true -}}
{ {{- range $name, $value := . }}{{ if not $first }}, {{ end }}{{ $first = false }}{{ printf "%q" $name }}: {{ template "toril.json" $value }}{{ end -}} }
{{- else if eq $kind "[]interface {}" -}}
[ {{- range $at, $value := . }}{{ if $at }}, {{ end }}{{ template "toril.json" $value }}{{ end -}} ]
{{- else if eq $kind "<nil>" -}}null
{{- else -}}{{ template "toril.number" . }}
{{- end -}}
{{- end -}}

{{- define "toril.number" -}}
{{- if eq (printf "%T" .) "float64" -}}
{{- if eq (printf "%f" .) (printf "%.0f.000000" .) -}}{{ printf "%.0f" . }}{{- else -}}{{ printf "%f" . }}{{- end -}}
{{- else -}}{{ printf "%v" . }}
{{- end -}}
{{- end -}}

{{- define "toril.labels" -}}
{app.kubernetes.io/name: toril, app.kubernetes.io/instance: {{ printf "%q" .Release.Name }}, app.kubernetes.io/version: {{ printf "%q" .Values.image.tag }}, app.kubernetes.io/managed-by: {{ printf "%q" .Release.Service }}}
{{- end -}}

{{- define "toril.secret" -}}
{{- if .Values.secret.existing -}}{{ printf "%q" .Values.secret.existing }}{{- else -}}{{ printf "%q" (printf "%s-toril" .Release.Name) }}{{- end -}}
{{- end -}}

{{- define "toril.image" -}}
{{ printf "%q" (printf "%s:%s" .Values.image.repository .Values.image.tag) }}
{{- end -}}

{{- /* What every container of Toril's own has: the image, its variables, nothing it could do to the machine. */ -}}
{{- define "toril.container" }}
          image: {{ template "toril.image" . }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          envFrom:
            - secretRef: {name: {{ template "toril.secret" . }}}
            {{- range .Values.envFrom }}
            - {{ template "toril.json" . }}
            {{- end }}
          env:
            - {name: TORIL_VERSION, value: {{ printf "%q" .Values.image.tag }}}
            {{- if .Values.redis.enabled }}
            - {name: REDIS_HOST, value: {{ printf "%q" (printf "%s-redis" .Release.Name) }}}
            # Set, lest a service named redis in this namespace puts its own address here.
            - {name: REDIS_PORT, value: "6379"}
            {{- end }}
            {{- range $name, $value := .Values.env }}
            - {name: {{ $name }}, value: {{ printf "%q" $value }}}
            {{- end }}
{{- end -}}

{{- /* New pods wait for the job that brings the tables up to date; those that run go on meanwhile. */ -}}
{{- define "toril.waiting" }}
      initContainers:
        - name: tables
          command: [sh, -c, "until python manage.py migrate --check --verbosity 0; do sleep 3; done"]
          {{- template "toril.container" . }}
          resources: {requests: {cpu: 50m, memory: 128Mi}, limits: {memory: 256Mi}}
          volumeMounts:
            - {name: var, mountPath: /app/var}
            - {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "toril.pod" }}
      serviceAccountName: {{ printf "%q" .Values.serviceAccount.name }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext: {{ template "toril.json" .Values.podSecurityContext }}
      {{- if .Values.image.pullSecrets }}
      imagePullSecrets:
        {{- range .Values.image.pullSecrets }}
        - {name: {{ printf "%q" . }}}
        {{- end }}
      {{- end }}
{{- end -}}

{{- define "toril.placing" }}
      nodeSelector: {{ template "toril.json" .nodeSelector }}
      tolerations: {{ template "toril.json" .tolerations }}
      affinity: {{ template "toril.json" .affinity }}
{{- end -}}
