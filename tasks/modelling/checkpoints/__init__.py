"""Pretrained checkpoints and model families: finding, loading and describing them."""
