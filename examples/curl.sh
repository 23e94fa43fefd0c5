#!/bin/sh
# Reads a document with curl: as Markdown, as a stream of pages, and as a job.  sh curl.sh scan.pdf
set -eu
file=$1
url=${PADDLEOCR_VL_URL:-http://localhost:8081}
key=${PADDLEOCR_VL_API_KEY:-}
ask() { curl -sS --fail-with-body -H "X-API-Key: $key" "$@"; }

# The whole document as Markdown.
ask -F "file=@\"$file\"" "$url/ocr?format=markdown"

# Its pages as they are read, one event each.
ask -N -F "file=@\"$file\"" "$url/ocr?stream=true&images=none" | grep '^event:'

# In the background: the job outlives this connection.
job=$(ask -F "file=@\"$file\"" "$url/jobs" | grep -o '"id": *"[^"]*"' | head -n 1 | cut -d '"' -f 4)
ask -N "$url/jobs/$job/events?images=none" > /dev/null
ask "$url/jobs/$job/result?format=text"
