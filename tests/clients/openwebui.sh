#!/bin/sh
# Installs the release of Open WebUI that openwebui.txt names into the environment FOLDER, without its dependencies.
#
#   sh tests/clients/openwebui.sh FOLDER
set -u

release=$(sed -n 's/^# \(open-webui==.*\)$/\1/p' "$(dirname "$0")/openwebui.txt")
exec "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$release"
