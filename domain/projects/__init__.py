"""Projects: outline tree, chapters, versions."""

from domain.projects.entities import (
    NodeStatus,
    OutlineKind,
    OutlineNode,
    Project,
    ProjectStatus,
    TextVersion,
    VersionOrigin,
    VersionState,
)
from domain.projects.positions import position_between

__all__ = [
    "NodeStatus",
    "OutlineKind",
    "OutlineNode",
    "Project",
    "ProjectStatus",
    "TextVersion",
    "VersionOrigin",
    "VersionState",
    "position_between",
]
