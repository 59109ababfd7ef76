"""What every training loop uses: the checkpoint store and graceful shutdown."""
