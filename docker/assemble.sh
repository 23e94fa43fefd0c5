#!/bin/sh
# Builder stage of both images, run in a copy of the checkout: makes the gateway's environment in /opt/gateway, and below
# /image what else the last stage copies. PYTHON=/path/to/python chooses the interpreter of both.
set -eu

venv=/opt/gateway
layout=/opt/layout
image=/image
sbom_tool=/opt/sbom

# Data for Cyrillic, which the embedded engine finds by itself, and fonts for PDFs that hold none; what else the packages
# bring stays in this stage.
apt-get update -qq
apt-get install -qq -y --no-install-recommends tesseract-ocr-rus tesseract-ocr-eng fonts-liberation fonts-wqy-microhei >/dev/null
mkdir -p "$image/usr/share/tessdata"
cp /usr/share/tesseract-ocr/*/tessdata/rus.traineddata /usr/share/tesseract-ocr/*/tessdata/eng.traineddata "$image/usr/share/tessdata/"
for fonts in fonts-liberation fonts-wqy-microhei; do
    mkdir -p "$image/usr/share/fonts/truetype/$fonts"
    dpkg -L "$fonts" | grep -E '\.(ttf|ttc)$|/copyright$' | while IFS= read -r file; do
        [ -L "$file" ] || cp "$file" "$image/usr/share/fonts/truetype/$fonts/"
    done
done

export PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
sh scripts/venv.sh -a scripts/trim.sh "$venv" requirements/runtime.txt

# PaddleOCR's own layout detection (LAYOUT_ENGINE=paddleocr) is for the image with vLLM; it shares nothing with the gateway.
if [ -n "${VLLM_PYTHON:-}" ]; then
    PYTHON=$venv/bin/python sh scripts/venv.sh -s "300 MB" "$layout" requirements/layout.txt
    "$layout/bin/python" -P gateway/layout/paddleocr/layout_worker.py --check
fi

# The tool is not part of what it lists.
PYTHON=$venv/bin/python sh scripts/venv.sh -s "5 MB" "$sbom_tool" docker/sbom.txt
"$venv/bin/python" -m pip uninstall -qq -y pip setuptools
[ ! -d "$layout" ] || "$layout/bin/python" -m pip uninstall -qq -y pip

mkdir -p "$image/app"
list_packages() {
    "$sbom_tool/bin/cyclonedx-py" environment --output-reproducible --of JSON -o "$image/app/$2" "$1"
}
list_packages "$venv/bin/python" sbom.json
[ -z "${VLLM_PYTHON:-}" ] || list_packages "$VLLM_PYTHON" sbom-vllm.json
[ ! -d "$layout" ] || list_packages "$layout/bin/python" sbom-layout.json

cp -R common gateway paddleocr_vl_client supervision textlines tools vlm_backend scripts docker supervisord.conf LICENSE "$image/app/"
rm -rf "$image"/app/docker/Dockerfile.*
mkdir "$image/app/examples"
cp examples/*.png examples/*.jpg examples/*.pdf "$image/app/examples/"

# Copying between stages rounds the times of files, after which Python would take half of what was compiled for outdated and
# compile it anew at every start. Compiled like this it never looks at them.
compile() {
    "$venv/bin/python" -m compileall -q -f -j 0 --invalidation-mode unchecked-hash "$@"
}
compile "$image/app" -s "$image"
compile "$venv/lib"
[ ! -d "$layout" ] || compile "$layout/lib"

# Readable by whoever runs it, whatever the umask of the checkout was; writable by nobody but where it has to be.
for folder in "$image/app" "$venv" "$layout"; do
    [ -d "$folder" ] || continue
    chown -R 0:0 "$folder"
    chmod -R u=rwX,go=rX "$folder"
done

# OpenShift's convention is group 0; the rest of the world is let in, as to /tmp, for platforms that choose the group too.
for folder in output data temp cache cache/home; do
    mkdir -p "$image/app/$folder"
    chgrp 0 "$image/app/$folder"
    chmod 1777 "$image/app/$folder"
done
