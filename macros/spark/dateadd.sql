{# dbt-spark's own counts seconds of an epoch, which have no meaning for times without a zone. A timestamp, as on DuckDB. #}
{% macro spark__dateadd(datepart, interval, from_date_or_timestamp) -%}
    timestampadd({{ datepart }}, cast({{ interval }} as int), cast({{ from_date_or_timestamp }} as timestamp_ntz))
{%- endmacro %}
