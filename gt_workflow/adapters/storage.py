"""The storages: plain files, a folder that holds `s3://` objects, S3 itself, and their router.

For who wants several; a command imports those that it opens.
"""

from __future__ import annotations

from gt_workflow.adapters.folder.storage import FolderStorage
from gt_workflow.adapters.plain_files import LocalFiles
from gt_workflow.adapters.router import Router
from gt_workflow.adapters.s3_storage import S3Storage

__all__ = ["FolderStorage", "LocalFiles", "Router", "S3Storage"]
