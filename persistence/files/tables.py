"""Tables of files, of the uploads that they come from, and of the blobs that hold their bytes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Computed, Index, Integer, LargeBinary, Uuid

from domain.files.entities import File, FilePurpose, Upload, UploadState
from persistence.metadata import mapper_registry, of_tenant, one_of, references, tenant_table, text, timestamp

blobs = tenant_table(
    "blobs",
    Column("sha256", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("refs", Integer, nullable=False, server_default="0"),
    timestamp("touched_at", default=True),
    CheckConstraint("octet_length(sha256) = 32", name="sha256"),
    CheckConstraint("size > 0", name="size"),
    CheckConstraint("refs >= 0", name="refs"),
    of_tenant(),
    key=("sha256",),
)
"""`refs` is how many files hold the bytes; `touched_at` is when they were last announced, held or released."""
Index("blobs_orphans_idx", blobs.c.tenant_id, blobs.c.touched_at, postgresql_where=blobs.c.refs == 0)

files = tenant_table(
    "files",
    Column("id", Uuid, nullable=False),
    text("name"),
    text("mime"),
    text("charset", nullable=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("held", LargeBinary, Computed("case when deleted_at is null then sha256 end", persisted=True)),
    text("purpose"),
    Column("owner_id", Uuid, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("has_thumbnail", Boolean, nullable=False, server_default="false"),
    timestamp("created_at", default=True),
    timestamp("deleted_at"),
    one_of("purpose", FilePurpose),
    references("held", "blobs", "sha256"),
    of_tenant(),
)
"""`held` is the blob of a file that is not deleted: a blob that a file needs cannot go, and of others it may."""
Index(
    "files_live_idx",
    files.c.tenant_id,
    files.c.purpose,
    files.c.id,
    postgresql_where=files.c.deleted_at.is_(None),
)
Index("files_held_idx", files.c.tenant_id, files.c.held, postgresql_where=files.c.held.is_not(None))

uploads = tenant_table(
    "uploads",
    Column("id", Uuid, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    text("purpose"),
    text("name"),
    Column("size", BigInteger, nullable=False),
    text("state"),
    Column("sha256", LargeBinary),
    Column("file_id", Uuid),
    timestamp("created_at", default=True),
    Column("expires_at", timestamp("expires_at").type, nullable=False),
    timestamp("completed_at"),
    one_of("purpose", FilePurpose),
    one_of("state", UploadState),
    CheckConstraint("size > 0", name="size"),
    CheckConstraint("(state = 'COMPLETED') = (file_id is not null and sha256 is not null)", name="completed"),
    references("file_id", "files"),
    of_tenant(),
)
Index("uploads_expiry_idx", uploads.c.tenant_id, uploads.c.expires_at)
Index("uploads_owner_idx", uploads.c.tenant_id, uploads.c.owner_id, postgresql_where=uploads.c.state == "PENDING")

mapper_registry.map_imperatively(File, files, exclude_properties=["held"])
mapper_registry.map_imperatively(Upload, uploads)
