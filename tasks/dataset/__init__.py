"""The windows and splits that pass between the data stages: where they lie, their columns, their params."""
