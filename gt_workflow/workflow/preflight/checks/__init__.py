"""What a preflight looks at, one module per part of the set-up; `doctor` puts them together."""
