"""What Linux tells of a process: its memory and its processor time."""

from __future__ import annotations

import os
from pathlib import Path


def resident(pid: int, kind: str = "VmRSS") -> int:
    """Bytes in memory now; at the worst so far with VmHWM."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{kind}:")[2].split()[0]) * 1024


def cpu_s(pid: int) -> float:
    """User and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
