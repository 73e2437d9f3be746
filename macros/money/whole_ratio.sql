{# One whole number divided by another, to so many decimals. Half a unit of the last place is added before the rest is cut off. #}
{% macro whole_ratio(numerator, denominator, decimals) -%}
    cast(
        case when ({{ numerator }} < 0) <> ({{ denominator }} < 0) then -1 else 1 end
        * {{ whole_quotient(
            '(' ~ 2 * 10 ** decimals ~ ' * abs(' ~ numerator ~ ') + abs(' ~ denominator ~ '))', '2 * abs(' ~ denominator ~ ')'
        ) }}
        * cast({{ ('%.' ~ decimals ~ 'f') | format(10 ** -decimals) }} as decimal({{ decimals + 1 }}, {{ decimals }}))
        as decimal(18, {{ decimals }})
    )
{%- endmacro %}
