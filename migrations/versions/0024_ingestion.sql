-- Documents of deleted bases were not marked themselves: from now on they are, so that their text is forgotten.
do $$
declare
    tenants uuid[];
    tenant uuid;
begin
    set local role fabula_members;
    select coalesce(array_agg(tenant_id), '{}') into tenants from app.tenants;
    set local role fabula_owner;
    foreach tenant in array tenants loop
        perform set_config('app.tenant_id', tenant::text, true);
        update app.knowledge_documents d set deleted_at = b.deleted_at from app.knowledge_bases b
            where d.tenant_id = tenant and b.tenant_id = tenant and b.id = d.base_id
                and b.deleted_at is not null and d.deleted_at is null;
    end loop;
end $$;

set local role fabula_owner;

ALTER TABLE app.knowledge_documents ADD COLUMN recut BOOLEAN DEFAULT 'false' NOT NULL;

CREATE INDEX knowledge_documents_file_idx ON app.knowledge_documents (tenant_id, file_id) WHERE file_id IS NOT NULL;

CREATE INDEX knowledge_documents_forgotten_idx ON app.knowledge_documents (tenant_id, id)
    WHERE deleted_at IS NOT NULL AND characters > 0;

CREATE INDEX knowledge_chunks_unindexed_idx ON app.knowledge_chunks (tenant_id, document_id, position) WHERE NOT indexed;

-- The relay finds in which tenants a deleted document is to be forgotten. It sees no titles and no texts.
create policy relay on app.knowledge_documents for select to fabula_relay using (true);
grant select (tenant_id, deleted_at, characters) on app.knowledge_documents to fabula_relay;

reset role;
