"""What follows a labeling job: compare, send again, recover, adjust, verify, fold back."""
