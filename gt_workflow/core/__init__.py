"""Pure: values in, values out. No files, sockets, clock, randomness or boto3 in here."""
