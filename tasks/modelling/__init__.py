"""What the stages that hold a model share."""
