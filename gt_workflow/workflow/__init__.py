"""The stages, in the order the data flows: each plans first, then carries the plan out."""
