-- One search: the nearest vectors, the passages with the question's words, and both as one list.
-- A question's words weigh as much as they are rare; one that is in more passages than `common` tells nothing, unless
-- all of them are. Few rows are compared one by one, which finds them all; many are looked up in the index of vectors.
with terms as materialized (
    select t.n, t.weight, case t.kind
        when 'WORD' then plainto_tsquery('pg_catalog.english', t.term)
        when 'PAIR' then plainto_tsquery('pg_catalog.simple', t.term)
        else to_tsquery('pg_catalog.simple', quote_literal(t.term) || ':*') end as sought
    from unnest(cast(:terms as text[]), cast(:kinds as text[]), cast(:weights as float8[])) with ordinality
        as t (term, kind, weight, n)
),
found as materialized (
    select t.n, t.weight, c.id
    from terms t
    cross join lateral (
        select id from app.knowledge_chunks
        where tenant_id = :tenant and base_id = any(cast(:bases as uuid[])) and enabled
            and (cast(:documents as uuid[]) is null or document_id = any(cast(:documents as uuid[])))
            and tsv @@ t.sought
        limit cast(:common as int) + 1) c
    where numnode(t.sought) > 0
),
frequent as materialized (
    select n, count(*) as df, count(*) > cast(:common as int) as common from found group by n
),
all_chunks as materialized (
    select greatest(
        (select sum(chunk_count) from app.knowledge_documents
         where tenant_id = :tenant and base_id = any(cast(:bases as uuid[])) and deleted_at is null),
        (select max(df) from frequent)) as n
),
told as materialized (
    select terms.n, terms.weight * ln(1 + (all_chunks.n - coalesce(df, 0) + 0.5) / (coalesce(df, 0) + 0.5)) as weight
    from terms
    left join frequent using (n)
    cross join all_chunks
    where numnode(terms.sought) > 0
        and (not coalesce(frequent.common, false) or not exists (select 1 from frequent where not common))
),
worded as materialized (
    select id, score, covered, row_number() over (order by score desc, id) as rank
    from (
        select found.id, sum(told.weight)::float8 as score,
            (sum(told.weight) / (select sum(weight) from told))::float8 as covered
        from found
        join told using (n)
        group by found.id
    ) as scored
    order by score desc, id
    limit :depth
),
size as materialized (
    select count(*) as n from (
        select 1 from app.chunk_vectors
        where tenant_id = :tenant and base_id = any(cast(:bases as uuid[])) and model = :model
            and dimensions = {dimensions} and cast(:vector as halfvec) is not null
            and (cast(:documents as uuid[]) is null or document_id = any(cast(:documents as uuid[])))
        limit cast(:exact_max as int) + 1) as counted
),
one_by_one as materialized (
    select chunk_id, (vector::halfvec({dimensions})) <=> cast(:vector as halfvec({dimensions})) as distance
    from app.chunk_vectors
    where (select n from size) between 1 and cast(:exact_max as int) and tenant_id = :tenant
        and base_id = any(cast(:bases as uuid[])) and model = :model and dimensions = {dimensions} and enabled
        and (cast(:documents as uuid[]) is null or document_id = any(cast(:documents as uuid[])))
),
by_index as materialized (
    select chunk_id, (vector::halfvec({dimensions})) <=> cast(:vector as halfvec({dimensions})) as distance
    from app.chunk_vectors
    where (select n from size) > cast(:exact_max as int) and tenant_id = :tenant
        and base_id = any(cast(:bases as uuid[])) and model = :model and dimensions = {dimensions} and enabled
        and (cast(:documents as uuid[]) is null or document_id = any(cast(:documents as uuid[])))
    order by (vector::halfvec({dimensions})) <=> cast(:vector as halfvec({dimensions}))
    limit :depth
),
near as materialized (
    select chunk_id as id, distance, row_number() over (order by distance, chunk_id) as rank
    from (select * from one_by_one union all select * from by_index) as both_ways
    order by distance, chunk_id
    limit :depth
)
select id, near.rank as vector_rank, worded.rank as keyword_rank, near.distance, worded.score, worded.covered,
    (coalesce(cast(:near_weight as float8) / (cast(:k as int) + near.rank), 0)
        + coalesce(cast(:worded_weight as float8) * worded.covered ^ 2 / (cast(:k as int) + worded.rank), 0)) as fused
from near full join worded using (id)
order by fused desc, near.rank nulls last, worded.rank
limit :first
