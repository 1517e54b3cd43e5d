"""The commands: parse, wire, call one stage, print. Data on stdout, narration on stderr."""
