"""What workers reach: their tokens, the task API, the images of their tasks, the page."""
