"""How images become scans, and results become layers and back. The only room that knows both."""
