"""`python -m gt_workflow`, and the console script `gt-workflow`."""

from __future__ import annotations

import gc

from gt_workflow.adapters import process


def main() -> None:
    """Run the command line and exit with its status."""
    process.begin()
    from gt_workflow.cli.app import run

    try:
        run()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
