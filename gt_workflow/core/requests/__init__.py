"""CreateLabelingJob: built from settings, and checked field by field as AWS would."""
