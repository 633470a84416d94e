package web

// landingPage is the page at "/": no script, nothing from elsewhere.
const landingPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>gpusignal</title>
<style>
:root { color-scheme: light dark; --line: #8884; --dim: #777; --good: #2a8a3e; --bad: #c43131; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2.5rem auto; padding: 0 1rem; }
h1 { margin: 0; font-size: 1.8rem; } h1 small { color: var(--dim); font-size: 1rem; font-weight: normal; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0 1rem; color: var(--dim); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; font-size: .85rem; color: var(--dim); }
a { color: inherit; } code, td a { font-family: ui-monospace, monospace; font-size: .9rem; }
.up { color: var(--good); } .down { color: var(--bad); font-weight: 600; } .dim { color: var(--dim); font-size: .85rem; }
</style>
</head>
<body>
<h1>gpusignal <small>{{.Version}}</small></h1>
<p>What the GPUs and model servers of this node say to an autoscaler. {{.Devices}}, {{.Servers}}.</p>
<table>
{{- range .Links}}
<tr><td><a href="{{.Address}}">{{.Text}}</a></td><td>{{.Description}}</td></tr>
{{- end}}
</table>
{{- with .GPUs}}
<h2>GPUs</h2>
<table>
<tr><th>gpu</th><th>model</th><th>utilisation</th><th>state</th><th>held by</th><th>cannot tell</th></tr>
{{- range .}}
<tr><td>{{.Name}}</td><td>{{.Model}}</td><td>{{.Used}}</td><td class="{{if eq .State "up"}}up{{else}}down{{end}}">{{.State}}{{with .Note}}, {{.}}{{end}}</td><td>{{.Holders}}</td><td class="dim">{{.Lacks}}</td></tr>
{{- end}}
</table>
{{- end}}
{{- with .Pods}}
<h2>Pods</h2>
<table>
<tr><th>pod</th><th>engine</th><th>state</th><th>saturation</th><th>decided by</th></tr>
{{- range .}}
<tr><td><a href="{{.Address}}">{{.Name}}</a></td><td>{{.Engine}}</td><td>{{.State}}</td><td>{{.Saturation}}</td><td>{{.Decides}}</td></tr>
{{- end}}
</table>
{{- end}}
<h2>Sources</h2>
<table>
<tr><th>source</th><th>state</th><th>last success</th><th>what is wrong</th></tr>
{{- range .Sources}}
<tr><td>{{.Name}}</td><td class="{{.State}}">{{.State}}</td><td>{{.Age}}</td><td>{{.Detail}}</td></tr>
{{- else}}
<tr><td colspan="4">none has reported yet</td></tr>
{{- end}}
</table>
</body>
</html>
`
