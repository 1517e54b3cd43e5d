"""From a pile of photographs to a trained object detector's data."""

__version__ = "0.1.0"
