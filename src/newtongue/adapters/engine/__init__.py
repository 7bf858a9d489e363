"""Engines that run the same plan over many processes or machines."""
