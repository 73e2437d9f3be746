{# Whether an expression is neither a whole number nor a decimal with at most so many places. Decided by the types alone. #}
{% macro has_finer_places(expressions, places) -%}
    (
        {%- for expression in expressions %}
            {%- set type = 'lower(typeof(' ~ expression ~ '))' -%}
            coalesce(
                try_cast(regexp_extract({{ type }}, '^decimal[(][0-9]+,([0-9]+)[)]$', 1) as integer),
                case when {{ type }} like '%int%' or {{ type }} in ('"null"', 'void') then 0 else 99 end
            ) > {{ places }}
            {%- if not loop.last %} or {% endif %}
        {%- endfor -%}
    )
{%- endmacro %}
