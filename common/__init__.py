"""What the tiers and their supervision share. Imports none of them."""

import os
import sys
from typing import Any, cast

# Libraries tell their makers how they are used, unasked: ONNX Runtime sends events to Microsoft, OpenVINO to Google, by
# a package that pip installs with it. Both look here when they are loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
sys.modules.setdefault("openvino_telemetry", cast(Any, None))
# OpenVINO's hwloc says in plain text among the log's JSON that a container without /sys tells it nothing.
os.environ.setdefault("HWLOC_HIDE_ERRORS", "2")
