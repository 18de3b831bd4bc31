"""``python tools/gate_exit_code.py ARGUMENTS``: the gate, and its own exit code in the last line of the output.

`make` ends with 2 for any failure, so a script that calls `make gate` reads that line.
"""

from __future__ import annotations

import signal
import subprocess
import sys

VERDICTS = {
    0: "pass",
    1: "regressed",
    2: "bad input",
    3: "nothing was measured",
    4: "undecided",
    130: "interrupted",
}


def main(arguments: list[str]) -> int:
    gate = subprocess.Popen([sys.executable, "-m", "bench", "gate", *arguments])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the gate, too, which ends in its own way
    for number in (signal.SIGTERM, signal.SIGHUP):  # make passes these on to us alone
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda told, frame: gate.send_signal(told))
    code = gate.wait()
    if code < 0:
        print(f"gate: exit code {128 - code} (killed by {signal.Signals(-code).name})", flush=True)
        return 128 - code
    print(f"gate: exit code {code} ({VERDICTS.get(code, 'failed')})", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
