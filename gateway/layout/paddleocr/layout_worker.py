"""PaddleOCR's own layout detection in a process and an environment of its own.

    python -P gateway/layout/paddleocr/layout_worker.py NAME FOLDER DEVICE THREADS BATCH
    python -P gateway/layout/paddleocr/layout_worker.py --check      only imports what the first form needs

Run by the interpreter of `make layout`, which has paddleocr and none of the gateway's packages. Requests come on stdin,
a socket, with the pages' pixels in a file that is passed by its descriptor; answers go to stdout
(`gateway.workers.messages`). The first answer says how many pages a request may have, or why there will be none.
"""

from __future__ import annotations

import logging
import mmap
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, DistributionFinder, distributions
from pathlib import Path
from typing import Any

ROOT = str(Path(__file__).resolve().parents[3])
# For these two modules only, which need nothing but the standard library: in an installed gateway the folder is its
# site-packages, which PaddleX must not find.
sys.path.append(ROOT)
from gateway.workers import messages, sandbox  # noqa: E402

sys.path.remove(ROOT)

HEADLESS, WANTED = "opencv-contrib-python-headless", "opencv-contrib-python"
SIDE = 800
GPU_PROVIDER = "CUDAExecutionProvider"


class HeadlessOpenCv(Distribution):
    """The record of OpenCV's headless build under the name of the one that PaddleX looks for."""

    def __init__(self, version: str) -> None:
        self._version = version

    def read_text(self, filename: str) -> str | None:
        return f"Metadata-Version: 2.1\nName: {WANTED}\nVersion: {self._version}\n" if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:  # noqa: ANN401 - the types differ between Python's releases
        return path


class OpenCvFinder(DistributionFinder):
    """PaddleX asks for a distribution, not for the module `cv2`, and refuses to work with any build but one."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        return None

    def find_distributions(self, context: Any = None) -> Iterator[Distribution]:  # noqa: ANN401 - as above
        if context is not None and context.name == WANTED:
            yield from (HeadlessOpenCv(one.version) for one in distributions(name=HEADLESS))


def main(arguments: Sequence[str]) -> None:
    if arguments == ["--check"]:
        import_detection()
        return
    requests, answers = sandbox.start_worker(silenced=logging.WARNING)
    try:
        detector = Detector(*arguments)
    except Exception as error:
        messages.send(answers, {"error": format_error(error)})
        return
    messages.send(answers, {"ready": True, "batch": detector.batch})
    while True:
        request, descriptor = messages.receive_request(requests)
        try:
            answer: messages.Header = {
                "pages": detector.detect(pages(request["sizes"], descriptor), request["options"])
            }
        except Exception as error:
            answer = {"error": format_error(error)}
        messages.send(answers, answer)


class Detector:
    """`batch`: most pages at once; one where the model's graph takes no more."""

    def __init__(self, name: str, folder: str, device: str, threads: str, batch: str) -> None:
        detection = import_detection()
        device = paddle_device(device)
        self._model = detection(
            model_name=name,
            model_dir=folder,
            device=device,
            engine="onnxruntime",
            engine_config={"intra_op_num_threads": int(threads)},
        )
        self.batch = int(batch) or (8 if device == "gpu" else 1)
        self._warm_up()

    def _warm_up(self) -> None:
        import numpy as np

        blank = np.full((SIDE, SIDE, 3), 255, dtype=np.uint8)
        try:
            self.detect([blank] * self.batch, {})
        except Exception:
            if self.batch == 1:
                raise
            self.batch = 1
            self.detect([blank], {})

    def detect(self, images: Sequence[Any], options: dict[str, Any]) -> list[list[dict[str, Any]]]:
        """Of each page, in BGR, its boxes in reading order. Raises what PaddleX raises."""
        found = self._model.predict(
            images, batch_size=len(images), filter_overlap_boxes=False, **restore_class_keys(options)
        )
        if len(found) != len(images):
            raise ValueError(f"{len(found)} answers for {len(images)} pages")
        return [[encode_box(box) for box in result.json["res"]["boxes"]] for result in found]


def import_detection() -> Any:  # noqa: ANN401 - the class, which only this environment has
    sys.meta_path.append(OpenCvFinder())
    try:
        from paddleocr import LayoutDetection
    except ImportError as error:
        raise ImportError(f"{error}; `make layout` makes an environment that has it") from None
    return LayoutDetection


def paddle_device(device: str) -> str:
    """PaddleX's word for LAYOUT_DEVICE."""
    import onnxruntime

    has_gpu = GPU_PROVIDER in onnxruntime.get_available_providers()
    if device == "cuda" and not has_gpu:
        advice = "onnxruntime-gpu in its place can"
        raise RuntimeError(f"LAYOUT_DEVICE is `cuda`, but ONNX Runtime in {sys.prefix} can't use a GPU; {advice}")
    return "gpu" if device != "cpu" and has_gpu else "cpu"


def pages(sizes: Sequence[tuple[int, int]], descriptor: int) -> list[Any]:
    """The pages' pixels in BGR; `sizes` are (height, width). The file holds them in RGB, one after the other."""
    import numpy as np

    try:
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:
            return list(images(np.frombuffer(content, dtype=np.uint8).copy(), sizes))
    finally:
        os.close(descriptor)


def images(content: Any, sizes: Sequence[tuple[int, int]]) -> Iterator[Any]:  # noqa: ANN401 - NumPy is imported late
    import numpy as np

    start = 0
    for height, width in sizes:
        end = start + height * width * 3
        yield np.ascontiguousarray(content[start:end].reshape(height, width, 3)[:, :, ::-1])
        start = end


def restore_class_keys(options: dict[str, Any]) -> dict[str, Any]:
    """With the numbers of classes as numbers, which they can't be in JSON."""
    return {
        name: {int(key): one for key, one in value.items()} if isinstance(value, dict) else value
        for name, value in options.items()
    }


def encode_box(box: dict[str, Any]) -> dict[str, Any]:
    outline = box.get("polygon_points")
    return {
        "class": int(box["cls_id"]),
        "score": float(box["score"]),
        "box": [int(value) for value in box["coordinate"]],
        "outline": None if outline is None else [[float(x), float(y)] for x, y in outline],
    }


def format_error(error: BaseException) -> str:
    """The first line of what an error says, and of what it came from: PaddleX hides its reason behind its advice."""
    texts = [
        str(one).strip().splitlines()[0].rstrip(".") for one in (error, error.__cause__) if one and str(one).strip()
    ]
    return ": ".join(texts) or type(error).__name__


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except messages.ProtocolError:
        sys.exit(0)  # the gateway has gone
