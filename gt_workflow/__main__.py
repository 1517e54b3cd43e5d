"""`python -m gt_workflow`, and the console script `gt-workflow`."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its status."""
    from gt_workflow.cli.app import run

    run()


if __name__ == "__main__":
    main()
