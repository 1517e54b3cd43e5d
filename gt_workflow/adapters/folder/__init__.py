"""A folder that holds `s3://` objects: keys as paths, what is known of them, uploads."""
