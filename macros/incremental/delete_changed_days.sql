{#
  Pre-hook of a mart of rows by day: delete, in the model's own transaction, each day on which it differs from what its
  definition gives now, whatever the cause: a file that was delivered again, also without a row; a product that the master has
  since added or reclassified. The model then builds the days that it lacks.
    defined: the relation that the mart is selected from, with all of its columns in the same types
#}
{% macro delete_changed_days(defined) %}
    {% if is_incremental() %}
        {% set columns = adapter.get_columns_in_relation(this) | map(attribute='quoted') | list %}
        delete from {{ this }}
        where business_date in (
            with built_days as (
                select
                    business_date,
                    {{ fingerprint_of_rows(columns) }} as fingerprint
                from {{ this }}
                group by business_date
            ),

            defined_days as (
                select
                    business_date,
                    {{ fingerprint_of_rows(columns) }} as fingerprint
                from {{ defined }}
                group by business_date
            )

            select built_days.business_date
            from built_days
            left join defined_days
                on built_days.business_date = defined_days.business_date
            where built_days.fingerprint is distinct from defined_days.fingerprint
        )
    {% endif %}
{% endmacro %}
