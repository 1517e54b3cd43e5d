"""S3's REST protocol over an object store, and AWS's request signatures."""
