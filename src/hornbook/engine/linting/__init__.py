"""Looking at a recipe before a cent is spent: what its prompts, lists and variables give away."""
