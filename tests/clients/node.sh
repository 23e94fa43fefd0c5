#!/bin/sh
# Installs the packages of tests/clients/node into FOLDER; says so and goes on where there is no Node.js.
#
#   sh tests/clients/node.sh FOLDER
set -u

for tool in node npm; do
    command -v $tool >/dev/null || {
        echo "There is no $tool on this machine: the clients for Node.js are not tested."
        exit 0
    }
done
mkdir -p "$1" && cp "$(dirname "$0")/node/package.json" "$1" && cd "$1" &&
    exec npm install --silent --no-audit --no-fund --no-package-lock
