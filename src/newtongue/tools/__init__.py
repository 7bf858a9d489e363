"""Things to do with a model or a folder outside a recipe; one plain function each."""
