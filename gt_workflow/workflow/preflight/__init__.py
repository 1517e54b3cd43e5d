"""What can break a launch on an account: asked before it costs anything."""
