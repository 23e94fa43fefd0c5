"""Makes a tiny PaddleOCR-VL and teaches it to read a handful of pictures. Runs in vLLM's environment, as a program:

    python tests/vllm/checkpoint.py LESSONS FOLDER

LESSONS is a JSON list of {"picture": PNG file, "prompt", "answer"}. FOLDER gets a complete checkpoint, in the form of
the one on the hub: architecture, processor and special tokens are PaddleOCR-VL's, only small. The pictures come as the
gateway sends them, so vLLM, given one of them and its prompt, answers with the text it was taught: it has the right
weights, template, picture and position of every patch, or it could not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    PaddleOCRVLConfig,
    PaddleOCRVLForConditionalGeneration,
    PaddleOCRVLProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.paddleocr_vl import PaddleOCRVLImageProcessorPil

SPECIAL_TOKENS = (
    "<unk>",
    "<s>",
    "</s>",
    "<|begin_of_sentence|>",
    "<|IMAGE_START|>",
    "<|IMAGE_PLACEHOLDER|>",
    "<|IMAGE_END|>",
)
PIXEL_VALUES: dict[str, Any] = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
HUB_PICTURES = {
    "image_processor_type": "PaddleOCRVLImageProcessor",
    "processor_class": "PaddleOCRVLProcessor",
    "min_pixels": 147_384,
    "max_pixels": 2_822_400,
    "patch_size": 14,
    "merge_size": 2,
    "temporal_patch_size": 1,
    "resample": 3,
    "do_convert_rgb": True,
    "do_resize": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    **PIXEL_VALUES,
}
"""preprocessor_config.json of the checkpoints on the hub. Its pixel limits are not the pipeline's: the server must put
its own in their place."""
TEACHING_PIXELS = {"shortest_edge": 28 * 28 * 144, "longest_edge": 28 * 28 * 2048}
STEPS_MAX = 400
GOOD_ENOUGH = 0.02
"""Mean loss, nats a token, at which the greedy answer is the taught one with room for other kernels' rounding."""


def make_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, and the special tokens: no text is beyond it, and none has to be learnt from."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate((*SPECIAL_TOKENS, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<unk>",
        cls_token="<|begin_of_sentence|>",
        extra_special_tokens={"image_token": "<|IMAGE_PLACEHOLDER|>"},
        additional_special_tokens=list(SPECIAL_TOKENS[4:]),
        model_max_length=131_072,
    )


def make_config(tokenizer: PreTrainedTokenizerFast) -> PaddleOCRVLConfig:
    def ident(token: str) -> int:
        return int(tokenizer.convert_tokens_to_ids(token))

    return PaddleOCRVLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 64,
            "max_position_embeddings": 32_768,
            "pad_token_id": ident("<unk>"),
            "bos_token_id": ident("<s>"),
            "eos_token_id": ident("</s>"),
            "rope_parameters": {"rope_type": "default", "rope_theta": 500_000.0, "mrope_section": [8, 12, 12]},
        },
        vision_config={
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "patch_size": 14,
        },
        image_token_id=ident("<|IMAGE_PLACEHOLDER|>"),
        video_token_id=ident("<unk>"),
        vision_start_token_id=ident("<|IMAGE_START|>"),
        vision_end_token_id=ident("<|IMAGE_END|>"),
        architectures=["PaddleOCRVLForConditionalGeneration"],
    )


def encode(lesson: dict[str, str], processor: Any) -> dict[str, torch.Tensor]:  # noqa: ANN401 - untyped library
    """Inputs and labels of one lesson; only the answer and its end are to be learnt."""
    with Image.open(lesson["picture"]) as picture:
        image = picture.convert("RGB")
    head = "<|begin_of_sentence|>User: <|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>"
    question = f"{head}{lesson['prompt']}\nAssistant:\n"
    inputs = processor(images=[image], text=[question], return_tensors="pt", size=TEACHING_PIXELS)
    answer = processor.tokenizer(lesson["answer"] + "</s>", return_tensors="pt", add_special_tokens=False).input_ids
    asked = inputs["input_ids"].shape[1]
    tokens = torch.cat([inputs["input_ids"], answer], dim=1)
    labels = tokens.clone()
    labels[:, :asked] = -100
    return {
        "input_ids": tokens,
        "labels": labels,
        "attention_mask": torch.ones_like(tokens),
        "mm_token_type_ids": torch.cat([inputs["mm_token_type_ids"], torch.zeros_like(answer)], dim=1),
        "pixel_values": inputs["pixel_values"],
        "image_grid_thw": inputs["image_grid_thw"],
    }


def teach(model: PaddleOCRVLForConditionalGeneration, lessons: list[dict[str, torch.Tensor]]) -> float:
    """Goes through all lessons until they are known by heart; the last round's mean loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS_MAX, eta_min=2e-4)
    loss = 0.0
    for _ in range(STEPS_MAX):
        loss = 0.0
        for lesson in lessons:
            part = model(**lesson, use_cache=False).loss / len(lessons)
            part.backward()
            loss += part.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if loss < GOOD_ENOUGH:
            break
    return loss


def save(model: PaddleOCRVLForConditionalGeneration, processor: Any, folder: Path) -> None:  # noqa: ANN401
    model.generation_config = GenerationConfig(eos_token_id=model.config.text_config.eos_token_id, do_sample=False)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(HUB_PICTURES), encoding="utf-8")
    (folder / "processor_config.json").unlink(missing_ok=True)


def main() -> None:
    lessons = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(sys.argv[2])
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    processor = PaddleOCRVLProcessor(PaddleOCRVLImageProcessorPil(**PIXEL_VALUES), tokenizer)
    model = PaddleOCRVLForConditionalGeneration(make_config(tokenizer))
    loss = teach(model, [encode(lesson, processor) for lesson in lessons])
    save(model, processor, folder)
    sys.exit(0 if loss < GOOD_ENOUGH else f"the lessons were not learnt: {loss:.3f} nats a token")


if __name__ == "__main__":
    main()
