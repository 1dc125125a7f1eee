"""Forward problems that a user brings: a Python function, or a program in any language."""
