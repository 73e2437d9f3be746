-- The retailer's operational database: what the merchandising and loyalty applications keep.
-- Columns whose comment begins with SYNTHETIC are made by the demo; all others have the real data.

create schema demo_control;
comment on schema demo_control is 'The demo''s own bookkeeping; no part of the retailer and closed to its readers.';

create table demo_control.clock (only_row boolean primary key default true check (only_row), day date not null);
comment on table demo_control.clock is 'The last day that this database shows.';

create schema merchandising;
comment on schema merchandising is 'Product and store master data.';

create table merchandising.products (
    product_id bigint primary key,
    manufacturer_id bigint,
    department text,
    brand text,
    product_category text,
    product_type text,
    package_size text,
    updated_at timestamptz not null
);
create index on merchandising.products (updated_at);
comment on table merchandising.products is 'One row per product. A product is listed a week before it is first needed.';
comment on column merchandising.products.updated_at is 'SYNTHETIC: when the row was last written.';

create table merchandising.stores (
    store_id bigint primary key,
    till_system text not null check (till_system in ('A', 'B')),
    updated_at timestamptz not null
);
create index on merchandising.stores (updated_at);
comment on table merchandising.stores is 'One row per store.';
comment on column merchandising.stores.till_system is
    'SYNTHETIC: A exports Parquet, B exports gzipped CSV (stores whose id is a multiple of 4).';
comment on column merchandising.stores.updated_at is 'SYNTHETIC: when the row was last written.';

create schema loyalty;
comment on schema loyalty is 'The loyalty card''s customer register.';

create table loyalty.households (
    household_id bigint primary key,
    first_name text not null,
    last_name text not null,
    email text not null,
    phone text not null,
    postal_code text not null,
    birth_date date not null,
    registered_on date not null,
    updated_at timestamptz not null
);
create index on loyalty.households (updated_at);
comment on table loyalty.households is
    'One row per household with a card. The id is real and pseudonymous; all contact details are SYNTHETIC.';
comment on column loyalty.households.first_name is 'SYNTHETIC: made from the household id.';
comment on column loyalty.households.last_name is 'SYNTHETIC: made from the household id.';
comment on column loyalty.households.email is 'SYNTHETIC: made from the household id, in a domain reserved for examples.';
comment on column loyalty.households.phone is 'SYNTHETIC: made from the household id, in the range kept free for fiction.';
comment on column loyalty.households.postal_code is 'SYNTHETIC: made from the household id; changes when it moves.';
comment on column loyalty.households.birth_date is 'SYNTHETIC: made from the household id, inside its real age band.';
comment on column loyalty.households.registered_on is
    'SYNTHETIC: the first day on which the household buys, is targeted by a campaign or redeems a coupon.';
comment on column loyalty.households.updated_at is 'SYNTHETIC: when the row was last written.';

create table loyalty.demographics (
    household_id bigint primary key references loyalty.households,
    age text,
    income text,
    home_ownership text,
    marital_status text,
    household_size text,
    household_comp text,
    kids_count text,
    updated_at timestamptz not null
);
create index on loyalty.demographics (updated_at);
comment on table loyalty.demographics is 'One row per household that gave demographics: 801 of 2,469, real data.';
comment on column loyalty.demographics.updated_at is 'SYNTHETIC: when the row was last written.';

-- The reader may connect, look and nothing else; the role itself is made in Python, because it has a password.
revoke all on database retailer from public;
revoke all on schema public from public;
grant connect on database retailer to larder_reader;
grant usage on schema merchandising, loyalty to larder_reader;
grant select on all tables in schema merchandising, loyalty to larder_reader;
