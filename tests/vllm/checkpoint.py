"""Makes a tiny PaddleOCR-VL and teaches it to read a handful of pictures. Runs in vLLM's environment, as a program:

    python tests/vllm/checkpoint.py LESSONS FOLDER

LESSONS is a JSON list of {"picture": PNG file, "prompt", "answer", "ends": whether the end belongs to it}. FOLDER gets
a complete checkpoint, in the form of the one on the hub: architecture, processor and special tokens are PaddleOCR-VL's,
only small. The pictures come as the gateway sends them, so vLLM, given one of them and its prompt, answers with the
text it was taught: it has the right weights, template, picture and position of every patch, or it could not.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
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
TABLE_TOKENS = ("<fcel>", "<ecel>", "<lcel>", "<ucel>", "<xcel>", "<nl>")
"""In PaddleOCR-VL's vocabulary too, as tokens that are not special: they stand in the answer."""
STEPS_MAX = 600
SURE = 0.9
"""Probability that each token of each answer must have: greedy answers are then as taught, with room for the rounding
of other kernels."""
LENGTHS_ALIKE = 1.7
IGNORED = -100


def make_tokenizer(size: int = 0) -> PreTrainedTokenizerFast:
    """One token a byte, and the special tokens: no text is beyond it, and none has to be learnt from.

    Where that are fewer than `size`, there are others too, which no text becomes and a model can answer.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    own = (*SPECIAL_TOKENS, *alphabet)
    others = (f"x{number}" for number in range(len(own) + len(TABLE_TOKENS), size))
    vocabulary = {token: index for index, token in enumerate((*own, *others))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL_TOKENS])
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False) for token in TABLE_TOKENS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<unk>",
        cls_token="<|begin_of_sentence|>",
        extra_special_tokens={"image_token": "<|IMAGE_PLACEHOLDER|>"},
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


def make_processor(tokenizer: PreTrainedTokenizerFast) -> PaddleOCRVLProcessor:
    return PaddleOCRVLProcessor(PaddleOCRVLImageProcessorPil(**PIXEL_VALUES), tokenizer)


@dataclass(frozen=True)
class Lessons:
    """Some lessons as one batch, padded on the right: tokens, labels and mask (lesson, token), pictures (lesson, token,
    width), positions (3, lesson, token). Only the answers and their ends have labels."""

    tokens: torch.Tensor
    pictures: torch.Tensor
    positions: torch.Tensor
    labels: torch.Tensor
    mask: torch.Tensor


Row = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""Of a lesson: tokens, pictures, positions, labels and mask, the token first."""


def prepare(
    lessons: list[dict[str, Any]],
    processor: Any,  # noqa: ANN401 - untyped library
    model: PaddleOCRVLForConditionalGeneration,
) -> list[Lessons]:
    """Sees the pictures once: the vision tower stays as it was made, which tells any two pictures apart.

    Lessons of alike length make a batch: those about crops are a quarter as long as the one about a page.
    """
    batches: list[list[Row]] = []
    for row in sorted((make_row(lesson, processor, model) for lesson in lessons), key=lambda row: len(row[0])):
        if not batches or len(row[0]) > LENGTHS_ALIKE * len(batches[-1][0][0]):
            batches.append([])
        batches[-1].append(row)
    return [pad(batch) for batch in batches]


def make_row(
    lesson: dict[str, Any],
    processor: Any,  # noqa: ANN401 - untyped library
    model: PaddleOCRVLForConditionalGeneration,
) -> Row:
    with Image.open(lesson["picture"]) as picture:
        image = picture.convert("RGB")
    head = "<|begin_of_sentence|>User: <|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>"
    question = f"{head}{lesson['prompt']}\nAssistant:\n"
    inputs = processor(images=[image], text=[question], return_tensors="pt", size=TEACHING_PIXELS)
    text = lesson["answer"] + ("</s>" if lesson["ends"] else "")
    answer = processor.tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
    tokens = torch.cat([inputs["input_ids"], answer], dim=1)
    kinds = torch.cat([inputs["mm_token_type_ids"], torch.zeros_like(answer)], dim=1)
    grid = inputs["image_grid_thw"]
    positions, _ = model.model.get_rope_index(tokens, image_grid_thw=grid, mm_token_type_ids=kinds)
    with torch.no_grad():
        features = torch.cat(model.model.get_image_features(inputs["pixel_values"], grid).pooler_output)
    pictures = torch.zeros(tokens.shape[1], features.shape[1])
    pictures[tokens[0] == model.config.image_token_id] = features
    labels = tokens[0].clone()
    labels[: inputs["input_ids"].shape[1]] = IGNORED
    return tokens[0], pictures, positions[:, 0].T, labels, torch.ones_like(labels)


def pad(rows: list[Row]) -> Lessons:
    tokens, pictures, positions, labels, mask = (
        torch.nn.utils.rnn.pad_sequence(list(column), batch_first=True, padding_value=padding)
        for column, padding in zip(zip(*rows, strict=True), (0, 0, 0, IGNORED, 0), strict=True)
    )
    return Lessons(tokens, pictures, positions.permute(2, 0, 1), labels, mask)


def teach(model: PaddleOCRVLForConditionalGeneration, batches: list[Lessons]) -> float:
    """Goes through the lessons until they are known by heart; the least probability of a token in the last round."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS_MAX, eta_min=3e-4)
    surety = 0.0
    for _ in range(STEPS_MAX):
        losses = torch.cat([token_losses(model, batch) for batch in batches])
        surety = float((-losses.detach().max()).exp())
        if surety > SURE:
            break
        optimizer.zero_grad()
        losses.mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return surety


def token_losses(model: PaddleOCRVLForConditionalGeneration, lessons: Lessons) -> torch.Tensor:
    """Negative log probability of each token of each answer."""
    is_picture = (lessons.tokens == model.config.image_token_id).unsqueeze(-1)
    embeddings = torch.where(is_picture, lessons.pictures, model.get_input_embeddings()(lessons.tokens))
    hidden = model.model.language_model(
        inputs_embeds=embeddings, position_ids=lessons.positions, attention_mask=lessons.mask, use_cache=False
    ).last_hidden_state
    asked = lessons.labels[:, 1:] != IGNORED
    logits = model.lm_head(hidden[:, :-1][asked])
    return torch.nn.functional.cross_entropy(logits, lessons.labels[:, 1:][asked], reduction="none")


def save_settings(tokenizer: PreTrainedTokenizerFast, config: PaddleOCRVLConfig, folder: Path) -> None:
    """All of a checkpoint but weights and configuration."""
    GenerationConfig(eos_token_id=config.text_config.eos_token_id, do_sample=False).save_pretrained(folder)
    make_processor(tokenizer).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(HUB_PICTURES), encoding="utf-8")
    (folder / "processor_config.json").unlink(missing_ok=True)


def main() -> None:
    lessons = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(sys.argv[2])
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    model = PaddleOCRVLForConditionalGeneration(make_config(tokenizer))
    surety = teach(model, prepare(lessons, make_processor(tokenizer), model))
    model.save_pretrained(folder)
    save_settings(tokenizer, model.config, folder)
    sys.exit(0 if surety > SURE else f"the lessons were not learnt: the least sure token has {surety:.3f}")


if __name__ == "__main__":
    main()
