{#
  The day on a store's clock of an instant. The retailer's day and week follow this clock, on both days when it changes.
    zone: a column with the store's time zone, null for that of variable store_time_zone; without it, that zone
#}
{% macro store_local_date(instant, zone=none) -%}
    {{ return(adapter.dispatch('store_local_date', 'larder')(instant, zone)) }}
{%- endmacro %}


{# One zone that is known beforehand is converted much faster than one of each row. #}
{% macro duckdb__store_local_date(instant, zone) -%}
    {% set usual = "timezone('" ~ var('store_time_zone') ~ "', " ~ instant ~ ")" -%}
    {% if zone -%}
        cast(case when {{ zone }} is null then {{ usual }} else timezone({{ zone }}, {{ instant }}) end as date)
    {%- else -%}
        cast({{ usual }} as date)
    {%- endif %}
{%- endmacro %}


{% macro spark__store_local_date(instant, zone) -%}
    {% set usual = "'" ~ var('store_time_zone') ~ "'" -%}
    cast(convert_timezone('UTC', {{ 'coalesce(' ~ zone ~ ', ' ~ usual ~ ')' if zone else usual }}, {{ utc_timestamp(instant) }}) as date)
{%- endmacro %}
