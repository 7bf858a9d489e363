"""Check a model directory, or this computer, before money is spent."""

from newtongue.tools.doctor.examination import examine
from newtongue.tools.doctor.findings import Finding, Level, facts, render

__all__ = ["Finding", "Level", "examine", "facts", "render"]
