"""The report of a run: one HTML file that says how good the network is, why, and what to do next."""

from calor.workbench.report.evidence.photos import Photos
from calor.workbench.report.write import write_report, write_report_after_training

__all__ = ["Photos", "write_report", "write_report_after_training"]
