"""A process for the fork server: prints its arguments and environment, then ends as requested."""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import time

if __name__ == "__main__":
    print(json.dumps({"words": sys.argv[1:], "env": dict(os.environ), "group": os.getpgrp() == os.getpid()}))
    if sys.argv[1] == "stay":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
        print("there")
        while True:
            time.sleep(60)
    if sys.argv[1] == "fail":
        raise ValueError("as told")
    if sys.argv[1] == "say why":
        atexit.register(print, "the handlers run")
        sys.exit("why it ends")
    sys.exit(int(sys.argv[1]))
