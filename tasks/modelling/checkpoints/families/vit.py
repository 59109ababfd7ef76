"""Image classification by a Vision Transformer (Dosovitskiy et al. 2021), drawn at random.

The model is transformers' own, so that whoever loads the folder needs nothing of ours::

    from transformers import pipeline

    classify = pipeline("image-classification", "models/classifier")

A pretrained one is no family: name its checkpoint in ``model.name`` and leave ``model.family`` null.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator
from transformers import ViTConfig, ViTImageProcessorPil

from tasks.core.params import Section

READS = "image"
MIDDLE = [0.5, 0.5, 0.5]  # of the pixels, 0 to 1: both the mean that is taken off and the deviation they are divided by


class Settings(Section):
    """What ``model.config`` takes for ``model.family: vit``."""

    image_size: int = Field(default=28, ge=1)
    """Pixels of a side that every image is scaled to; it becomes a square."""
    patch_size: int = Field(default=7, ge=1)
    """Pixels of a side of the patches that it is cut into, each a token."""
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
    """Scales an image to the size, and its pixels to -1 to 1."""
    size = {"height": settings.image_size, "width": settings.image_size}
    return ViTImageProcessorPil(size=size, image_mean=MIDDLE, image_std=MIDDLE)
