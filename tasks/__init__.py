"""The stages of the pipeline: plain Python, one module or package per stage.

Nothing here knows of Prefect. Every stage is run as ``python -m tasks.<stage>``.
"""

import os
import sys

# Some of the libraries below read these once, when they are imported, so this is the only place early enough.
for _switch, _value in {
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}.items():
    os.environ.setdefault(_switch, _value)

if sys.argv[:1] == ["-m"]:  # Python is looking for the module to run
    from tasks.old_commands import answer

    answer(sys.argv, sys.orig_argv)
