"""What a plan touches in an account, who must be let in for it, and what a preflight can find."""
