#!/bin/sh
# Proves gpusignal on this machine's GPU by a plan, short or long; flags after it change it. OUT is the folder of the reports.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
plan=${1:-short}
[ $# -eq 0 ] || shift
out=${OUT:-$here}
exec "$here/hardware-check" prove -plan "$plan" -json "$out/report.json" -table "$out/report.md" "$@"
