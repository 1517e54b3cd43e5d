"""Labeling jobs as state machines: from an input manifest to Ground Truth's output tree."""
