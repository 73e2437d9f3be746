{#
  Direct identifiers (names, e-mail, phone) stay in the CRM's staging. Outside raw and staging there is neither a column that
  is classed as one, nor a column with the name of one, regardless of its class.
  Fails? Drop the column from the model; whoever needs it asks the owner of stg_loyalty__households.
#}
-- depends_on: {{ ref('dim_households') }}
{% set identifiers = [] %}
{% for column in columns_by_class() if column.classification == 'direct_identifier' %}
    {% do identifiers.append(column) %}
{% endfor %}
with existing as (
    select
        columns.table_schema,
        columns.table_name,
        columns.column_name,
        'has the name of a direct identifier' as reason
    from information_schema.columns as columns
    where
        columns.table_catalog = current_database()
        and columns.table_schema not in ('raw', 'staging')
        and columns.column_name in (
            'no column'
            {% for name in identifiers | map(attribute='column') | unique %}
                , '{{ name }}'
            {% endfor %}
        )
),

declared as (
    {% for column in identifiers if column.schema not in ['raw', 'staging'] %}
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
