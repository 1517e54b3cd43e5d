"""The demo set: photograph-like scenes with known boxes."""
