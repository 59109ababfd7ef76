"""Image classification by a Vision Transformer (Dosovitskiy et al. 2021), with random weights.

The model is transformers' own, so the saved folder loads without this repository::

    from transformers import pipeline

    classify = pipeline("image-classification", "models/classifier")

For a pretrained one, set ``model.name`` to its checkpoint and leave ``model.family`` null.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator
from transformers import ViTConfig, ViTImageProcessorPil

from tasks.core.params import Section

MODALITY = "image"
HALF = [0.5, 0.5, 0.5]  # mean and standard deviation of the pixels, by channel


class Settings(Section):
    """The keys of ``model.config`` for ``model.family: vit``."""

    image_size: int = Field(default=28, ge=1)
    """Images are resized to a square with sides of this many pixels."""
    patch_size: int = Field(default=7, ge=1)
    """Pixels of a patch's side; each patch is a token."""
    hidden_size: int = Field(default=64, ge=1)
    """Of a token's state, and of an image's embedding."""
    layers: int = Field(default=4, ge=1)
    heads: int = Field(default=4, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} is no multiple of patch_size {self.patch_size}")
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size {self.hidden_size} is no multiple of heads {self.heads}")
        return self


def config(settings: Settings, _: object = None) -> ViTConfig:
    """The config of an untrained model over RGB images."""
    return ViTConfig(
        image_size=settings.image_size,
        patch_size=settings.patch_size,
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=4 * settings.hidden_size,
        hidden_dropout_prob=settings.dropout,
        attention_probs_dropout_prob=settings.dropout,
        initializer_range=0.5 * settings.hidden_size**-0.5,  # 0.02 is meant for widths of 768
    )


def processor(settings: Settings) -> ViTImageProcessorPil:
    """Resizes an image and scales its pixels to -1 to 1."""
    size = {"height": settings.image_size, "width": settings.image_size}
    return ViTImageProcessorPil(size=size, image_mean=HALF, image_std=HALF)
