"""A channel becomes a training, and a trained detector becomes pre-labels."""
