set local role fabula_owner;

-- A new foreign key is checked by a query that row security holds to a tenant. No row has one yet: any tenant will do.
select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

CREATE TABLE app.invoices (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    number TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    starts_on DATE NOT NULL,
    ends_on DATE NOT NULL,
    issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    restricts_at TIMESTAMP WITH TIME ZONE NOT NULL,
    total_micros BIGINT NOT NULL,
    lines INTEGER NOT NULL,
    seller_tax_id TEXT NOT NULL,
    seller JSONB NOT NULL,
    buyer JSONB NOT NULL,
    reference TEXT,
    paid_at TIMESTAMP WITH TIME ZONE,
    payment_id UUID,
    reminders INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT invoices_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT invoices_tenant_id_seller_tax_id_number_key UNIQUE (tenant_id, seller_tax_id, number),
    CONSTRAINT invoices_tenant_id_reference_key UNIQUE (tenant_id, reference),
    CONSTRAINT invoices_state_check CHECK (state in ('OPEN', 'PAID', 'OVERDUE', 'VOID')),
    CONSTRAINT invoices_reason_check CHECK (reason in ('MONTH', 'SUBSCRIPTION', 'ADJUSTMENT')),
    CONSTRAINT invoices_total_check CHECK (total_micros >= 0),
    CONSTRAINT invoices_lines_check CHECK (lines > 0),
    CONSTRAINT invoices_period_check CHECK (starts_on <= ends_on),
    CONSTRAINT invoices_paid_check CHECK ((state = 'PAID') = (paid_at is not null)),
    CONSTRAINT invoices_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE INDEX invoices_unpaid_idx ON app.invoices (tenant_id, restricts_at) WHERE state in ('OPEN', 'OVERDUE');

CREATE TABLE app.invoice_items (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    kind TEXT NOT NULL,
    description TEXT NOT NULL,
    quantity NUMERIC NOT NULL,
    unit TEXT NOT NULL,
    unit_price_micros BIGINT,
    amount_micros BIGINT NOT NULL,
    starts_on DATE,
    ends_on DATE,
    usage JSONB,
    reference TEXT NOT NULL,
    invoice_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT invoice_items_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT invoice_items_tenant_id_reference_key UNIQUE (tenant_id, reference),
    CONSTRAINT invoice_items_kind_check CHECK (kind in ('SUBSCRIPTION', 'PRORATION', 'USAGE', 'CREDIT_USED', 'DISCOUNT', 'ADJUSTMENT')),
    CONSTRAINT invoice_items_description_check CHECK (description <> ''),
    CONSTRAINT invoice_items_period_check CHECK (starts_on <= ends_on),
    CONSTRAINT invoice_items_tenant_id_invoice_id_fkey FOREIGN KEY(tenant_id, invoice_id) REFERENCES app.invoices (tenant_id, id),
    CONSTRAINT invoice_items_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE INDEX invoice_items_pending_idx ON app.invoice_items (tenant_id, id) WHERE invoice_id is null;

CREATE INDEX invoice_items_tenant_id_invoice_id_id_idx ON app.invoice_items (tenant_id, invoice_id, id);

CREATE TABLE app.credit_notes (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    number TEXT NOT NULL,
    seller_tax_id TEXT NOT NULL,
    invoice_id UUID NOT NULL,
    amount_micros BIGINT NOT NULL,
    reason TEXT NOT NULL,
    issued_by UUID NOT NULL,
    ledger_entry_id UUID,
    issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT credit_notes_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT credit_notes_tenant_id_seller_tax_id_number_key UNIQUE (tenant_id, seller_tax_id, number),
    CONSTRAINT credit_notes_amount_check CHECK (amount_micros > 0),
    CONSTRAINT credit_notes_reason_check CHECK (reason <> ''),
    CONSTRAINT credit_notes_tenant_id_invoice_id_fkey FOREIGN KEY(tenant_id, invoice_id) REFERENCES app.invoices (tenant_id, id),
    CONSTRAINT credit_notes_tenant_id_ledger_entry_id_fkey FOREIGN KEY(tenant_id, ledger_entry_id) REFERENCES app.ledger_entries (tenant_id, id)
);

CREATE INDEX credit_notes_tenant_id_invoice_id_id_idx ON app.credit_notes (tenant_id, invoice_id, id);

CREATE TABLE app.billing_details (
    tenant_id UUID NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    tax_id TEXT NOT NULL,
    email TEXT NOT NULL,
    country TEXT NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT billing_details_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT billing_details_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE TABLE app.invoice_counters (
    seller_tax_id TEXT NOT NULL,
    series TEXT NOT NULL,
    year INTEGER NOT NULL,
    last INTEGER NOT NULL,
    CONSTRAINT invoice_counters_pkey PRIMARY KEY (seller_tax_id, series, year)
);

-- Numbers -----------------------------------------------------------------------------------------------------------

-- A row and no sequence: it stays locked until the transaction that numbers by it ends, and goes back when that fails.
create function app.next_number(seller text, wanted text, of_year integer) returns integer
language sql security definer set search_path = '' as $$
    insert into app.invoice_counters as c values (seller, wanted, of_year, 1)
    on conflict on constraint invoice_counters_pkey do update set last = c.last + 1
    returning c.last
$$;

revoke all on function app.next_number(text, text, integer) from public;
grant execute on function app.next_number(text, text, integer) to fabula_app;

-- What was issued stays as it is --------------------------------------------------------------------------------------

create function app.keep_invoice() returns trigger language plpgsql as $$
declare free constant text[] := array['state', 'paid_at', 'payment_id', 'reminders'];
begin
    if tg_op = 'UPDATE' and to_jsonb(new) - free = to_jsonb(old) - free and new.reminders >= old.reminders
        and (
            (old.state in ('OPEN', 'OVERDUE') and new.state in ('PAID', 'VOID', 'OVERDUE', old.state))
            or (new.state, new.paid_at, new.payment_id) is not distinct from (old.state, old.paid_at, old.payment_id)
        ) then
        return new;
    end if;
    raise exception 'invoice % was issued', old.number using errcode = '42501';
end $$;

create trigger invoices_issued before update or delete on app.invoices
    for each row execute function app.keep_invoice();

create function app.keep_item() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and old.invoice_id is null and to_jsonb(new) - 'invoice_id' = to_jsonb(old) - 'invoice_id' then
        return new;
    end if;
    raise exception 'an item of an invoice is not changed' using errcode = '42501';
end $$;

create trigger invoice_items_kept before update or delete on app.invoice_items
    for each row execute function app.keep_item();

-- An invoice is the sum of its lines, and nobody adds a line to it later.
create function app.check_invoice() returns trigger language plpgsql as $$
declare
    wanted uuid := case when tg_table_name = 'invoices' then to_jsonb(new) ->> 'id' else to_jsonb(new) ->> 'invoice_id' end;
    total numeric;
    counted bigint;
begin
    if wanted is null then
        return null;
    end if;
    select coalesce(sum(amount_micros), 0), count(*) into total, counted
    from app.invoice_items where tenant_id = new.tenant_id and invoice_id = wanted;
    perform 1 from app.invoices
        where tenant_id = new.tenant_id and id = wanted and total_micros = total and lines = counted;
    if not found then
        raise exception 'invoice % does not sum up: % over % lines', wanted, total, counted using errcode = '23514';
    end if;
    return null;
end $$;

create constraint trigger invoices_sum after insert on app.invoices
    deferrable initially deferred for each row execute function app.check_invoice();
create constraint trigger invoice_items_sum after insert or update on app.invoice_items
    deferrable initially deferred for each row execute function app.check_invoice();

-- Credit notes never come to more than their invoice.
create function app.check_credit() returns trigger language plpgsql as $$
declare
    total bigint;
    credited numeric;
begin
    select total_micros into total from app.invoices
    where tenant_id = new.tenant_id and id = new.invoice_id for no key update;
    select coalesce(sum(amount_micros), 0) into credited from app.credit_notes
    where tenant_id = new.tenant_id and invoice_id = new.invoice_id;
    if credited + new.amount_micros > total then
        raise exception 'credit notes of % over an invoice of %', credited + new.amount_micros, total
            using errcode = '23514';
    end if;
    return new;
end $$;

create trigger credit_notes_covered before insert on app.credit_notes
    for each row execute function app.check_credit();
create trigger credit_notes_append_only before update or delete on app.credit_notes
    for each row execute function app.refuse();

-- The wall ----------------------------------------------------------------------------------------------------------

do $$
declare name text;
begin
    foreach name in array array['invoices', 'invoice_items', 'credit_notes', 'billing_details'] loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
    end loop;
end $$;

grant select, insert, update (state, paid_at, payment_id, reminders) on app.invoices to fabula_app;
grant select, insert, update (invoice_id) on app.invoice_items to fabula_app;
grant select, insert on app.credit_notes to fabula_app;
grant select, insert, update on app.billing_details to fabula_app;

-- The relay finds in which tenants something is to be billed or is late. It sees no amounts.
create policy relay on app.invoices for select to fabula_relay using (true);
create policy relay on app.invoice_items for select to fabula_relay using (true);
create policy relay on app.usage_days for select to fabula_relay using (true);
grant select (tenant_id, reference, state, due_at, reminders) on app.invoices to fabula_relay;
grant select (tenant_id, invoice_id, created_at) on app.invoice_items to fabula_relay;
grant select (tenant_id, day) on app.usage_days to fabula_relay;

reset role;
