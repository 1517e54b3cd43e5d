"""`python -m gt_workflow`, and the console script `gt-workflow`."""

from __future__ import annotations

import gc

_OFTEN = 10_000  # new objects before the collector looks at them; 700 by default


def main() -> None:
    """Run the command line and exit with its status."""
    # Nearly all that a command makes lives until it ends: to look for garbage while it imports its
    # modules, and among them once more at the end, takes a twentieth of a short one's time.
    gc.set_threshold(_OFTEN)
    from gt_workflow.cli.app import run

    try:
        run()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
