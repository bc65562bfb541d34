"""What the context compiler is given for a chapter: everything that the tenant's rooms know of it."""

from __future__ import annotations

from domain.generation.context import CodexCard, Compiled, ContextInput, compile_context
from domain.projects.entities import OutlineNode
from domain.projects.service import get_project
from domain.story import CodexEntry
from domain.unit_of_work import UnitOfWork


async def compile_chapter(
    uow: UnitOfWork, chapter: OutlineNode, instructions: str, target_words: int, window_tokens: int
) -> Compiled:
    """Raises ContextTooSmall. Nothing is written, and nothing is charged."""
    project = await get_project(uow.projects, chapter.project_id, field="chapterId")
    entries = await uow.story.entries(project.id)
    return compile_context(
        ContextInput(
            language=project.language,
            project_title=project.title,
            genre=project.genre,
            premise=project.premise,
            style_guide=project.style_guide,
            chapter_title=chapter.title,
            plan=chapter.plan,
            instructions=instructions,
            previous_text=await uow.projects.previous_chapter_text(chapter),
            target_words=target_words,
            codex=tuple(_card(entry) for entry in entries),
            window_tokens=window_tokens,
        )
    )


def _card(entry: CodexEntry) -> CodexCard:
    attributes = tuple((a["key"], a["value"]) for a in entry.attributes)
    return CodexCard(
        str(entry.id), entry.kind, entry.name, tuple(entry.aliases), entry.summary, attributes, entry.inclusion
    )
