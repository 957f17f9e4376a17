"""Runs Envoy, passes signals on to it, and ends as it ended.

Envoy's wheel asks the kernel to end Envoy when its parent ends, so the parent must stay.
"""

import os
import signal
import subprocess
import sys

child = subprocess.Popen(sys.argv[1:])
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda received, _frame: child.send_signal(received))
status = child.wait()
if status < 0:
    # Envoy was ended by a signal; the suite reports the signal of this process.
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
