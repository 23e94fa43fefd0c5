"""Why can't the engine start? Everything that has to be right on this machine, each with a reason and a remedy."""

from vlm_backend.doctor.command import main
from vlm_backend.doctor.examination import examine
from vlm_backend.doctor.report import Check, Report

__all__ = ["Check", "Report", "examine", "main"]
