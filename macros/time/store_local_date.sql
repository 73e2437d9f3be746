{# The day on the store's clock (America/New_York) of an instant. The retailer's day and week follow this clock. #}
{% macro store_local_date(instant) -%}
    {{ return(adapter.dispatch('store_local_date', 'larder')(instant)) }}
{%- endmacro %}


{% macro duckdb__store_local_date(instant) -%}
    cast(timezone('America/New_York', {{ instant }}) as date)
{%- endmacro %}
