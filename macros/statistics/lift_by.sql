{#
  Items sold against items expected, with a 95 % interval: one row per value of `by`. What is sampled is the product and not
  the case: one product's display goes up in a hundred stores in the same week and succeeds or fails in all of them, so a
  hundred stores are not a hundred independent observations. With fewer products than `least` there is no lift: a few of them
  show nothing.
  clusters: a CTE of the model with one row per value of `by` and product: cases, units, expected_units, sales_usd,
  retailer_discount_usd.
#}
{% macro lift_by(clusters, by, least=20) %}
    with totals as (
        select
            {{ by | join(', ') }},
            count(*) as products,
            cast(sum(cases) as bigint) as cases,
            cast(sum(units) as bigint) as units,
            cast(sum(expected_units) as decimal(18, 6)) as expected_units,
            cast(sum(sales_usd) as decimal(18, 2)) as sales_usd,
            cast(sum(retailer_discount_usd) as decimal(18, 2)) as retailer_discount_usd,
            sum(units * units) as units_units,
            sum(units * cast(expected_units as decimal(19, 6))) as units_expected,
            sum(cast(expected_units as decimal(19, 6)) * cast(expected_units as decimal(19, 6))) as expected_expected
        from {{ clusters }}
        group by {{ by | join(', ') }}
    ),

    judged as (
        select
            *,
            case
                when products >= {{ least }} and expected_units > 0 and units > 0
                    then {{ quotient('units', 'expected_units') }}
            end as lift,
            {{ log_ratio_error(
                'products', 'units', 'nullif(expected_units, 0)', 'units_units', 'units_expected', 'expected_expected'
            ) }} as error
        from totals
    )

    select
        {{ by | join(', ') }},
        cases,
        products,
        units,
        expected_units,
        sales_usd,
        retailer_discount_usd,
        {{ ratio('retailer_discount_usd', 'sales_usd + retailer_discount_usd') }} as discount_rate,
        {{ rounded('lift') }} as lift,
        {{ rounded('lift * exp(-1.96 * error)') }} as lift_from,
        {{ rounded('lift * exp(1.96 * error)') }} as lift_to,
        case
            when lift is null then 'too few products'
            when lift * exp(-1.96 * error) > 1 then 'sells more'
            when lift * exp(1.96 * error) < 1 then 'sells less'
            else 'no difference seen'
        end as finding
    from judged
{% endmacro %}
