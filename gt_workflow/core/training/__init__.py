"""The built-in Object Detection: its hyperparameters, machines, requests, log and answers."""
