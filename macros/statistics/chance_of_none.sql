{#
  How likely it is that none of `wanted` among `all_of_them` things is in the first `seen` of a random order:
  C(all - seen, wanted) / C(all, wanted), to 12 decimals, so that sums of it are exact. Whole numbers, wanted <= all.
#}
{% macro chance_of_none(all_of_them, wanted, seen) -%}
    {{ return(adapter.dispatch('chance_of_none', 'larder')(all_of_them, wanted, seen)) }}
{%- endmacro %}


{% macro duckdb__chance_of_none(all_of_them, wanted, seen) -%}
    cast(
        round(
            case
                when {{ seen }} > {{ all_of_them }} - {{ wanted }} then 0
                else exp(
                    lgamma({{ all_of_them }} - {{ seen }} + 1) - lgamma({{ all_of_them }} - {{ seen }} - {{ wanted }} + 1)
                    - lgamma({{ all_of_them }} + 1) + lgamma({{ all_of_them }} - {{ wanted }} + 1)
                )
            end,
            12
        ) as decimal(18, 12)
    )
{%- endmacro %}


{% macro spark__chance_of_none(all_of_them, wanted, seen) -%}
    cast(
        round(
            case
                when {{ seen }} > {{ all_of_them }} - {{ wanted }} then 0
                when {{ wanted }} = 0 then 1
                else aggregate(
                    sequence(0, cast({{ wanted }} as int) - 1),
                    cast(1 as double),
                    (chance, place) -> chance * ({{ all_of_them }} - {{ seen }} - place) / ({{ all_of_them }} - place)
                )
            end,
            12
        ) as decimal(18, 12)
    )
{%- endmacro %}
