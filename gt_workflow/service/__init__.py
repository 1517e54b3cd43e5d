"""Our own Ground Truth: the labeling API, the objects, the workers' tasks, on one port."""
