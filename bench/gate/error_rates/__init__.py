"""Error rates of the gate: calibration on this machine, recorded noise and its replay."""
