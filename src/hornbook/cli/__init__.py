"""Floor 4: one command a file, imported when it is called."""
