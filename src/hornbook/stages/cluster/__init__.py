"""Documents in clusters by what they are about: seeds from the web, and a map of them."""
