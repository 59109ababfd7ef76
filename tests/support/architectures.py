"""A tiny checkpoint of every architecture that the installed transformers can classify texts or images with.

``checkpoint_of`` writes one: the base model with random weights where there is one, as published checkpoints are, and a
byte-level tokenizer, or the architecture's own image processor.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CONFIG_MAPPING,
    AutoModel,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_MAPPING_NAMES,
)

TEXT = tuple(MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES)
IMAGE = tuple(MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES)
SIDE = 32  # pixels
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
VOCABULARY = 300

SMALL: dict[str, Any] = {  # what a config has of these
    "vocab_size": VOCABULARY, "hidden_size": 32, "d_model": 32, "n_embd": 32, "embedding_size": 32, "emb_dim": 32,
    "dim": 32, "hidden_dim": 64, "intermediate_size": 64, "ffn_dim": 64, "d_ff": 64, "d_inner": 64, "dff": 64,
    "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "num_hidden_layers": 2, "num_layers": 2, "n_layers": 2, "n_layer": 2, "encoder_layers": 2, "decoder_layers": 2,
    "num_decoder_layers": 2, "num_attention_heads": 2, "num_heads": 2, "n_heads": 2, "n_head": 2,
    "num_key_value_heads": 2, "head_dim": 16, "d_kv": 16, "max_position_embeddings": 130, "n_positions": 130,
    "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "moe_intermediate_size": 32, "num_experts": 4,
    "num_local_experts": 4, "num_experts_per_tok": 2, "n_routed_experts": 4, "word_embed_proj_dim": 32,
    "image_size": SIDE, "kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8,
    "v_head_dim": 16, "qk_head_dim": 16, "initializer_range": 0.2, "sliding_window": 64,
    "shared_expert_intermediate_size": 32, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1,
    "mamba_d_state": 8,
}  # fmt: skip
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = TOWER | {"model_type": "siglip_vision_model", "image_size": SIDE, "patch_size": 16}
DECODER = {
    name: SMALL[name]
    for name in ("vocab_size", "num_key_value_heads", "head_dim", "max_position_embeddings", "bos_token_id",
                 "pad_token_id", "eos_token_id", "sliding_window")
} | TOWER  # fmt: skip
LINEAR_ATTENTION = {
    "linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 16, "linear_value_head_dim": 16,
}  # fmt: skip
STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
OWN: dict[str, dict[str, Any]] = {  # what SMALL does not make small, or makes of no use
    "cohere_compass_text": {"layer_types": ["full_attention", "sliding_attention"],
                            "rope_parameters": {"full_attention": None, "sliding_attention": {
                                "rope_type": "default", "rope_theta": 1e4}}},
    "gemma3": {"text_config": DECODER, "vision_config": VISION, "mm_tokens_per_image": 4, "image_token_index": 299,
               "boi_token_index": 298, "eoi_token_index": 297},
    "gptj": {"rotary_dim": 8},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "layoutlmv3": {"coordinate_size": 6, "shape_size": 4, "max_2d_position_embeddings": 64, "input_size": SIDE},
    "layoutlm": {"max_2d_position_embeddings": 64},
    "longformer": {"attention_window": 16, "max_position_embeddings": 130},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 16},
    "markuplm": {"max_xpath_subs_unit_embeddings": 64, "max_depth": 8, "subs_pad_id": 63},
    "mobilebert": {"true_hidden_size": 32, "intra_bottleneck_size": 32},
    "modernvbert": {"text_config": TOWER | {"model_type": "modernbert", "vocab_size": VOCABULARY, "pad_token_id": 1},
                    "vision_config": VISION, "image_token_id": 299, "pixel_shuffle_factor": 2},
    "ultravbert": {"text_config": DECODER | {"model_type": "ultrabert"}, "vision_config": VISION,
                   "image_token_id": 299, "pixel_shuffle_factor": 2},
    "lilt": {"hidden_size": 48, "max_2d_position_embeddings": 64},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "perceiver": {"num_latents": 4, "d_latents": 32, "d_model": 32, "num_blocks": 1, "num_self_attends_per_block": 2,
                  "num_self_attention_heads": 2, "num_cross_attention_heads": 2, "max_position_embeddings": 130,
                  "image_size": SIDE},
    "qwen3_5": {"text_config": DECODER | LINEAR_ATTENTION | {"num_hidden_layers": 4},
                "vision_config": {"depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
                                  "out_hidden_size": 32}},
    "qwen3_5_text": LINEAR_ATTENTION | {"num_hidden_layers": 4},
    "qwen3_next": LINEAR_ATTENTION | {"num_hidden_layers": 4},
    "reformer": {"axial_pos_embds": False, "attn_layers": ["local", "lsh"], "num_hashes": 1, "num_buckets": 2,
                 "local_attn_chunk_length": 16, "lsh_attn_chunk_length": 16, "feed_forward_size": 64,
                 "attention_head_size": 16},
    "roc_bert": {"pronunciation_embed_dim": 8, "pronunciation_vocab_size": 10, "shape_embed_dim": 8,
                 "shape_vocab_size": 10},
    "t5gemma": {"encoder": DECODER, "decoder": DECODER, "vocab_size": VOCABULARY},
    "t5gemma2": {"encoder": {"text_config": DECODER, "vision_config": VISION, "mm_tokens_per_image": 4},
                 "decoder": DECODER, "image_token_index": 299, "eoi_token_index": 298},
    "xlnet": {"d_head": 16},
    "zamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "attention_head_dim": 32, "num_hidden_layers": 4,
              "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"], "use_mamba_kernels": False},
    "zamba2": {"layers_block_type": ["mamba", "hybrid"], "use_mamba_kernels": False, "mamba_ngroups": 1,
               "n_mamba_heads": 2, "chunk_size": 8, "adapter_rank": 4, "attention_head_dim": 32},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1,
              "use_mamba_kernels": False},
    # images
    "bit": STAGES | {"embedding_size": 8, "num_groups": 2},
    "clip": {"text_config": TOWER, "vision_config": TOWER | {"image_size": SIDE, "patch_size": 16},
             "projection_dim": 16},
    "metaclip_2": {"text_config": TOWER, "vision_config": TOWER | {"image_size": SIDE, "patch_size": 16},
                   "projection_dim": 16},
    "siglip": {"text_config": TOWER, "vision_config": TOWER | {"image_size": SIDE, "patch_size": 16}},
    "siglip2": {"text_config": TOWER, "vision_config": TOWER | {"num_patches": 4, "patch_size": 16}},
    "convnext": STAGES | {"num_stages": 4}, "convnextv2": STAGES | {"num_stages": 4},
    "cvt": {"embed_dim": [8, 16, 32], "num_heads": [1, 2, 2], "depth": [1, 2, 3]},
    "dinat": {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 2]},
    "donut-swin": {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4},
    "swin": {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4},
    "swinv2": {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4},
    "efficientnet": {"width_coefficient": 0.25, "depth_coefficient": 0.1, "hidden_dim": 320},
    "focalnet": {"embed_dim": 8, "depths": [1, 1, 1, 1], "focal_levels": [1] * 4, "focal_windows": [3] * 4},
    "hgnet_v2": {},
    "hiera": {"embed_dim": 8, "num_heads": [1, 1, 2, 2], "depths": [1, 1, 1, 1], "image_size": [64, 64]},
    "imagegpt": {"n_positions": 1024, "vocab_size": 513},
    "levit": {"hidden_sizes": [16, 24, 32], "depths": [1, 1, 1], "num_attention_heads": [1, 2, 2],
              "key_dim": [8, 8, 8], "image_size": 64, "patch_size": 16},
    "mobilenet_v1": {"depth_multiplier": 0.25}, "mobilenet_v2": {"depth_multiplier": 0.35},
    "mobilevit": {"hidden_sizes": [16, 24, 32], "neck_hidden_sizes": [8, 8, 16, 16, 24, 32, 32]},
    "mobilevitv2": {"width_multiplier": 0.25, "image_size": 64},
    "poolformer": STAGES,
    "pvt": STAGES | {"num_attention_heads": [1, 1, 2, 2]},
    "pvt_v2": STAGES | {"num_attention_heads": [1, 1, 2, 2]},
    "regnet": STAGES | {"embedding_size": 8, "groups_width": 8},
    "resnet": STAGES | {"embedding_size": 8},
    "segformer": {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2],
                  "decoder_hidden_size": 16},
    "swiftformer": {"embed_dims": [8, 16, 24, 32], "depths": [1, 1, 1, 1]},
    "shieldgemma2": {"text_config": DECODER, "vision_config": VISION, "mm_tokens_per_image": 4,
                     "image_token_index": 299, "boi_token_index": 298, "eoi_token_index": 297},
}  # fmt: skip


def tiny_config(kind: str) -> Any:
    """A config of that model type, small."""
    cls = CONFIG_MAPPING[kind]
    known = {name for one in cls.__mro__ for name in getattr(one, "__annotations__", {})}
    attributes = getattr(cls, "attribute_map", {})
    values = {name: value for name, value in SMALL.items() if name in known or attributes.get(name) in known}
    renamed: set[str] = set()
    renamed |= set(OWN.get(kind, {}))
    values = {name: value for name, value in values.items() if {name, attributes.get(name)}.isdisjoint(renamed)}
    made = cls(**(values | OWN.get(kind, {})))
    made.architectures = made.architectures or []
    return made


def checkpoint_of(kind: str, folder: Path, *, image: bool = False) -> Path:
    """Write a tiny checkpoint of that model type, the same bytes each time; where a package that the architecture needs
    is not installed, its config beside a single weight."""
    config = tiny_config(kind)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = AutoModelForImageClassification if image else AutoModelForSequenceClassification
        auto = AutoModel if kind in MODEL_MAPPING_NAMES and kind not in NO_BASE else classifier
        try:
            auto.from_config(config).save_pretrained(folder)
        except ImportError:
            config.save_pretrained(folder)
            save_file({"weight": torch.zeros(1)}, folder / "model.safetensors")
    if image:
        _image_processor(kind, config).save_pretrained(folder)
    else:
        tokenizer().save_pretrained(folder)
    return folder


NO_BASE = ("perceiver",)  # whose base model reads nothing without the classifier's parts


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte by byte, between ``<s>`` and ``</s>``."""
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {word: i for i, word in enumerate([*SPECIAL, *bytes_])}
    backend = Tokenizer(models.BPE(words, [], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    ends = [("<s>", 0), ("</s>", 2)]
    backend.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=64, **names)


def _image_processor(kind: str, config: Any) -> Any:
    """The architecture's own, where it scales and resizes; else ViT's."""
    import transformers
    from transformers import ViTImageProcessorPil
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES as PROCESSORS

    side = getattr(config, "image_size", None) or getattr(getattr(config, "vision_config", None), "image_size", SIDE)
    side = max(side if isinstance(side, list | tuple) else [side])
    own = getattr(
        transformers,
        PROCESSORS.get(kind if kind != "timm_wrapper" else "vit", {}).get("pil", "ViTImageProcessorPil"),
        ViTImageProcessorPil,
    )
    size = getattr(own, "size", None) or {}
    if set(size) == {"shortest_edge"}:
        return own(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    if set(size) != {"height", "width"}:
        return own()
    square = {"height": side, "width": side}
    return own(size=square, crop_size=square)


def drawings(count: int, seed: int = 0) -> pa.Table:
    """Squares of a random tone, labelled by it: columns id, image and label."""
    from PIL import Image

    tones = np.random.default_rng(seed).integers(0, 255, (count, 3))
    images: list[bytes] = []
    for tone in tones.tolist():
        with BytesIO() as file:
            Image.new("RGB", (SIDE + 8, SIDE + 8), tuple(tone)).save(file, "PNG")
            images.append(file.getvalue())
    labels = ["red" if red > 127 else "other" for red in tones[:, 0]]
    return pa.table({"id": [f"{seed}-{i}" for i in range(count)], "image": images, "label": labels})
