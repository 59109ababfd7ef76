"""DVC's stages as Prefect tasks."""
