"""SageMaker's labeling operations: parameters, teams, tags, templates; no HTTP in here."""
