"""A PaddleOCR-VL of full size without weights, for vLLM's `--load-format dummy`. Runs in vLLM's environment:

    python -m benchmarks.full_size FOLDER

Architecture and vocabulary size are those of PaddleOCR-VL 1.5 and 1.6, which are transformers' defaults; so the engine
computes as much as with the weights, and what it answers means nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from transformers import PaddleOCRVLConfig

from tests.vllm.checkpoint import make_tokenizer, save_settings

VOCABULARY = 103_424


def main() -> None:
    folder = Path(sys.argv[1])
    tokenizer = make_tokenizer(VOCABULARY)

    def ident(token: str) -> int:
        return int(tokenizer.convert_tokens_to_ids(token))

    config = PaddleOCRVLConfig(
        text_config={
            "vocab_size": VOCABULARY,
            "pad_token_id": ident("<unk>"),
            "bos_token_id": ident("<s>"),
            "eos_token_id": ident("</s>"),
            "rope_parameters": {"rope_type": "default", "rope_theta": 500_000.0, "mrope_section": [16, 24, 24]},
        },
        image_token_id=ident("<|IMAGE_PLACEHOLDER|>"),
        video_token_id=ident("<unk>"),
        vision_start_token_id=ident("<|IMAGE_START|>"),
        vision_end_token_id=ident("<|IMAGE_END|>"),
        architectures=["PaddleOCRVLForConditionalGeneration"],
        dtype="bfloat16",
    )
    config.save_pretrained(folder)
    save_settings(tokenizer, config, folder)


if __name__ == "__main__":
    main()
