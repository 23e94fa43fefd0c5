"""What a service before this one left in TEMP_DIR."""

from __future__ import annotations

from pathlib import Path

from common.contracts import Failure, supervision_file
from gateway.engine.process_status import read_process_status
from gateway.settings import Settings as GatewaySettings
from supervision.launch import forget_last_run
from supervision.state import Supervision
from vlm_backend.settings import Settings as VlmSettings
from vlm_backend.status import describe_process, write_status


def test_the_failures_of_the_last_run_are_not_told_of_this_one(tmp_path: Path) -> None:
    gateway = GatewaySettings.model_validate({"temp_dir": tmp_path})
    vlm = VlmSettings.model_validate({"temp_dir": tmp_path})
    supervision = Supervision(on_fatal="exit", start_tries=2)
    supervision.program("vlm").gave_up = True
    supervision_file(tmp_path, gateway.port).write_text(supervision.model_dump_json())
    failure = Failure(check="driver", detail="There is no GPU.", remedy="Get one.")
    write_status(
        vlm,
        describe_process("refused", "vllm", "", [failure]),
    )
    assert read_process_status(gateway).gave_up
    forget_last_run(gateway, vlm)
    assert (read_process_status(gateway).gave_up, read_process_status(gateway).reason) == (False, None)
