"""Teach an existing open language model a new language, end to end, inside a budget, with proof."""
