"""The detector's channels: what `convert` surveys, packs, writes and reports, form by form."""
