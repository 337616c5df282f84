"""What maglevd serves over HTTP."""
