{#
  The incremental mart holds, day by day, what its definition gives over all completed loads: every staged line once, with
  the same money, units and flags. A day that was built before a later load, or before the master knew a product, shows.
  Fails? Look at observe.built_loads beside raw.completed_loads; `dbt build -s fct_basket_lines --full-refresh` mends it,
  and then macros/incremental has a fault worth finding.
#}
with built as (
    select * from {{ ref('fct_basket_lines') }}
),

defined as (
    select * from {{ ref('int_basket_lines_priced') }}
),

{% for side in ['built', 'defined'] %}
    {{ side }}_days as (
        select
            business_date,
            count(*) as lines,
            sum(sales_usd) as sales_usd,
            sum(loyalty_discount_usd) as loyalty_discount_usd,
            sum(coupon_discount_usd) as coupon_discount_usd,
            sum(coupon_match_discount_usd) as coupon_match_discount_usd,
            sum(units) as units,
            sum(regular_price_usd) as regular_price_usd,
            sum(loyalty_price_usd) as loyalty_price_usd,
            sum(case when is_volume then 1 else 0 end) as volume_lines,
            sum(case when has_unknown_product then 1 else 0 end) as unknown_lines
        from {{ side }}
        group by business_date
    ),
{% endfor %}

final as (
    select
        coalesce(built_days.business_date, defined_days.business_date) as business_date,
        built_days.lines as built_lines,
        defined_days.lines as defined_lines,
        built_days.sales_usd as built_sales_usd,
        defined_days.sales_usd as defined_sales_usd
    from built_days
    full outer join defined_days
        on built_days.business_date = defined_days.business_date
    where
        built_days.lines is distinct from defined_days.lines
        or built_days.sales_usd is distinct from defined_days.sales_usd
        or built_days.loyalty_discount_usd is distinct from defined_days.loyalty_discount_usd
        or built_days.coupon_discount_usd is distinct from defined_days.coupon_discount_usd
        or built_days.coupon_match_discount_usd is distinct from defined_days.coupon_match_discount_usd
        or built_days.units is distinct from defined_days.units
        or built_days.regular_price_usd is distinct from defined_days.regular_price_usd
        or built_days.loyalty_price_usd is distinct from defined_days.loyalty_price_usd
        or built_days.volume_lines is distinct from defined_days.volume_lines
        or built_days.unknown_lines is distinct from defined_days.unknown_lines
)

select * from final
