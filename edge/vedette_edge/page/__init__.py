"""The live page: a web server of its own that shows what a watch sees, and why."""
