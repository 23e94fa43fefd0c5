"""What vLLM 0.32 wrote to its standard error as it refused to start, and the sentence that people have to be told.

Recorded by starting it with broken folders and arguments on a CPU (`refusals/`; frames and paths shortened), `no-gpu`
with the Python code of 0.33 for CUDA.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlm_backend.last_words import MAX_CHARACTERS, find_reason

RECORDED = Path(__file__).with_name("refusals")
SENTENCES = {
    "architecture": "Model architectures ['FancyOCRForConditionalGeneration'] are not supported for now.",
    "argument": "vllm serve: error: unrecognized arguments: --nonsense",
    "context": "User-specified max_model_len (16384) is greater than the derived max_model_len",
    "hub-404": "acme/ocr is not a local folder and is not a valid model identifier",
    "hub-away": "We couldn't connect to 'http://127.0.0.1:9' to load the files",
    "hub-gated": "You are trying to access a gated repo.",
    "hub-offline": "Cannot find an appropriate cached snapshot folder for the specified revision on the local disk",
    "model-type": "The checkpoint you are trying to load has model type `fancy_ocr`",
    "no-config": "Invalid repository ID or local directory specified: '/models/broken'.",
    "no-gpu": "Failed to infer device type, please set the environment variable `VLLM_LOGGING_LEVEL=DEBUG`",
    "no-preprocessor": "Can't load image processor for '/models/broken'.",
    "no-tokenizer": "Couldn't instantiate the backend tokenizer from one of: (1) a `tokenizers` library",
    "no-weights": "Cannot find any model weights with `/models/broken`",
    "port": "[Errno 98] Address already in use",
    "quantization": "torch.float32 is not supported for quantization method fp8.",
    "template": "The supplied chat template string (/nowhere/template.jinja) appears path-like, but doesn't exist!",
    "torn-config": "It looks like the config file at '/models/broken/config.json' is not a valid JSON file.",
    "torn-tokenizer": "Expecting property name enclosed in double quotes: line 1 column 20 (char 19)",
}
NEEDS_A_CARD = [
    (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 508.00 MiB. GPU 0 has a total capacity of 3.81 "
        "GiB of which 211.31 MiB is free. Including non-PyTorch memory, this process has 3.59 GiB memory in use. See "
        "documentation for Memory Management (https://docs.pytorch.org/docs/stable/notes/cuda.html)",
        "CUDA out of memory. Tried to allocate 508.00 MiB.",
    ),
    (
        "ValueError: Free memory on device cuda:0 (2.1/23.6 GiB) on startup is less than desired GPU memory "
        "utilization (0.9, 21.2 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
        "Free memory on device cuda:0 (2.1/23.6 GiB) on startup is less than desired",
    ),
    (
        "ValueError: To serve at least one request with the model's max seq len (131072), 2.25 GiB KV cache is needed.",
        "To serve at least one request with the model's max seq len (131072)",
    ),
    (
        "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU has "
        "compute capability 7.5.",
        "Bfloat16 is only supported on GPUs with compute capability of at least 8.0.",
    ),
    (
        "RuntimeError: The NVIDIA driver on your system is too old (found version 12040). Update your GPU driver.",
        "The NVIDIA driver on your system is too old (found version 12040).",
    ),
    (
        "torch.AcceleratorError: CUDA error: no kernel image is available for execution on the device\nSearch for "
        "`cudaErrorNoKernelImageForDevice' for more information.\nCUDA kernel errors might be asynchronously reported "
        "at some other API call, so the stacktrace below might be incorrect.",
        "CUDA error: no kernel image is available for execution on the device",
    ),
    (
        "ImportError: /opt/vllm/torch/lib/libtorch_cuda.so: undefined symbol: ncclCommWindowRegister",
        "/opt/vllm/torch/lib/libtorch_cuda.so: undefined symbol: ncclCommWindowRegister",
    ),
    (
        "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory",
        "libcuda.so.1: cannot open shared object file: No such file or directory",
    ),
    ("OSError: [Errno 28] No space left on device", "[Errno 28] No space left on device"),
    ("KeyError: 'dtype'", "KeyError: 'dtype'"),
    ("MemoryError", "MemoryError"),
]
"""Exceptions in the forms of torch, CUDA and vLLM, in the place of the one that a worker raised."""


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "sentence"), SENTENCES.items())
def test_the_reason_of_a_recorded_refusal(name: str, sentence: str) -> None:
    reason = find_reason(recorded(name))
    assert reason is not None
    assert reason.startswith(sentence)
    assert len(reason) <= MAX_CHARACTERS
    assert "further information" not in reason


@pytest.mark.parametrize(("exception", "sentence"), NEEDS_A_CARD)
def test_the_reason_of_a_worker_behind_two_processes_that_only_point_at_it(exception: str, sentence: str) -> None:
    cause = json.dumps("RuntimeError: Cannot find any model weights with `/models/broken`")[1:-1]
    text = recorded("no-weights").replace(cause, json.dumps(exception)[1:-1])
    reason = find_reason(text)
    assert reason is not None
    assert reason.startswith(sentence)


def test_processes_whose_lines_stand_between_each_other() -> None:
    text = "\n".join(
        [
            "(EngineCore pid=7) Traceback (most recent call last):",
            "(APIServer pid=5) Traceback (most recent call last):",
            '(EngineCore pid=7)   File "core.py", line 1, in run',
            '(APIServer pid=5)   File "api.py", line 1, in run',
            "(EngineCore pid=7) ValueError: The cache is too small.",
            "(APIServer pid=5) RuntimeError: Engine core initialization failed. See root cause above.",
        ]
    )
    assert find_reason(text) == "The cache is too small."


def test_an_exception_that_led_to_one_that_explains_it_is_not_the_reason() -> None:
    text = (
        "Traceback (most recent call last):\n  File 'a', line 1\nKeyError: 'fancy'\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\n  File 'a', line 2\nValueError: No such engine: fancy.\n"
    )
    assert find_reason(text) == "No such engine: fancy."


def test_an_exception_that_python_ignored_is_no_reason() -> None:
    text = (
        "Traceback (most recent call last):\n  File 'a', line 1\nRuntimeError: The card has hung.\n"
        "Exception ignored in: <function Pool.__del__ at 0x7f>\n"
        "Traceback (most recent call last):\n  File 'b', line 2\nValueError: I/O operation on closed file.\n"
    )
    assert find_reason(text) == "The card has hung."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", None),
        ("\n \n", None),
        ("usage\nGrüße: 50 %\n", "Grüße: 50 %"),
        ("loading\nfatal: no disk\nsee above\n", "fatal: no disk"),
        (
            "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
            "std::bad_alloc",
        ),
        ("Fatal Python error: Segmentation fault\n\nThread 0x1:\n", "Fatal Python error: Segmentation fault"),
        (
            '{"level": "error", "event": "engine cannot start", "detail": "VLM_PORT=1 is taken."}\n',
            "VLM_PORT=1 is taken.",
        ),
        ("{not json\n", "{not json"),
        ("Traceback (most recent call last):\n", "Traceback (most recent call last):"),
    ],
)
def test_programs_that_end_without_an_exception(text: str, reason: str | None) -> None:
    assert find_reason(text) == reason


def test_where_all_only_point_it_is_said_that_none_gave_a_reason() -> None:
    reason = find_reason(recorded("core-killed"))
    assert reason is not None
    assert "killed" in reason
