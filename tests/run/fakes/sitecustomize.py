"""Puts the test stage into the catalogue of every Python process that has this folder on its path."""

from __future__ import annotations

from pathlib import Path

from newtongue import stages

stages.__path__.append(str(Path(__file__).resolve().parent / "stages"))
stages.CATALOGUE["grow"] = stages.Entry("grow", "grow", "GrowConfig")
