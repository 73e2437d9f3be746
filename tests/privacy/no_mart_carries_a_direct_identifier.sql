{#
  Direct identifiers (names, e-mail, phone, birth date) go to the restricted zone before the lake is written. No relation has
  a column that is classed as one, or that has the name of one, regardless of its class: raw and staging included.
  Fails? Drop the column; if a source delivers it, its contract must say `restricted: true`. Who may write to households uses
  `larder contacts`.
#}
-- depends_on: {{ ref('dim_households') }}
{# the columns that contracts restrict #}
{% set names = ['first_name', 'last_name', 'email', 'phone', 'birth_date'] %}
with existing_columns as (
    {{ columns_that_exist() }}
),

existing as (
    select
        table_schema,
        table_name,
        column_name,
        'has the name of a direct identifier' as reason
    from existing_columns
    where column_name in ('{{ names | join("', '") }}')
),

declared as (
    {% for column in columns_by_class() if column.classification == 'direct_identifier' %}
        select
            '{{ column.schema }}' as table_schema,
            '{{ column.table }}' as table_name,
            '{{ column.column }}' as column_name,
            'is classed as a direct identifier' as reason
        union all
    {% endfor %}
    select
        null as table_schema,
        null as table_name,
        null as column_name,
        null as reason
    where false
),

final as (
    select * from existing
    union all
    select * from declared
)

select * from final
