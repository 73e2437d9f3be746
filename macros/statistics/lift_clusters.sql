{#
  What `lift_by` reads: promoted cases that have a base, added up by product and `by`.
  cases: a CTE of the model with columns of agg_promotion_cases_weekly and those of `by`.
#}
{% macro lift_clusters(cases, by) %}
    select
        {{ by | join(', ') }},
        product_id,
        count(*) as cases,
        cast(sum(units) as bigint) as units,
        cast(sum(expected_units) as decimal(18, 6)) as expected_units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd + coupon_match_discount_usd) as retailer_discount_usd
    from {{ cases }}
    where expected_units is not null
    group by {{ by | join(', ') }}, product_id
{% endmacro %}
