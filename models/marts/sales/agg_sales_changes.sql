-- grain: one row per two complete periods of a kind, breakdown and member that sold in either
with periods as (
    select * from {{ ref('agg_sales_periods') }}
    where is_complete_period
),

-- Weeks and stores are many: the last 53 weeks, and stores by month and quarter only.
members as (
    select
        *,
        sales_usd - fuel_sales_usd as item_sales_usd
    from periods
    where period_kind <> 'week' or breakdown <> 'store'
),

numbered as (
    select
        period_kind,
        period_name,
        row_number() over (partition by period_kind order by from_date desc) as periods_back
    from periods
    where breakdown = 'all'
),

compared as (
    select
        later.period_kind,
        later.period_name,
        earlier.period_name as earlier_period_name
    from numbered as later
    inner join numbered as earlier
        on
            later.period_kind = earlier.period_kind
            and later.periods_back < earlier.periods_back
    where later.period_kind <> 'week' or earlier.periods_back <= 53
),

{% for side, period_name in {'later': 'period_name', 'earlier': 'earlier_period_name'}.items() %}
    {{ side }} as (
        select
            compared.period_kind,
            compared.period_name,
            compared.earlier_period_name,
            members.breakdown,
            members.member,
            members.households,
            members.baskets,
            members.units,
            members.sales_usd,
            members.item_sales_usd
        from compared
        inner join members
            on
                compared.period_kind = members.period_kind
                and compared.{{ period_name }} = members.period_name
    ),
{% endfor %}

paired as (
    select
        coalesce(later.period_kind, earlier.period_kind) as period_kind,
        coalesce(later.period_name, earlier.period_name) as period_name,
        coalesce(later.earlier_period_name, earlier.earlier_period_name) as earlier_period_name,
        coalesce(later.breakdown, earlier.breakdown) as breakdown,
        coalesce(later.member, earlier.member) as member,
        later.member is not null and earlier.member is not null as is_in_both,
        coalesce(later.households, 0) as households,
        coalesce(earlier.households, 0) as earlier_households,
        coalesce(later.baskets, 0) as baskets,
        coalesce(earlier.baskets, 0) as earlier_baskets,
        coalesce(later.units, 0) as units,
        coalesce(earlier.units, 0) as earlier_units,
        coalesce(later.sales_usd, 0) as sales_usd,
        coalesce(earlier.sales_usd, 0) as earlier_sales_usd,
        coalesce(later.item_sales_usd, 0) as item_sales_usd,
        coalesce(earlier.item_sales_usd, 0) as earlier_item_sales_usd
    from later
    full outer join earlier
        on
            later.period_kind = earlier.period_kind
            and later.period_name = earlier.period_name
            and later.earlier_period_name = earlier.earlier_period_name
            and later.breakdown = earlier.breakdown
            and later.member = earlier.member
),

judged as (
    select
        *,
        sales_usd - earlier_sales_usd as change_usd,
        item_sales_usd - earlier_item_sales_usd as item_change_usd,
        least(units, earlier_units) > 0 and least(item_sales_usd, earlier_item_sales_usd) > 0 as has_all_factors,
        greatest(units, earlier_units) > 0 as has_units
    from paired
),

-- The logarithmic mean of both sides' sales of items: what a factor's growth, as a logarithm, is worth in money.
weighed as (
    select
        *,
        case
            when not has_all_factors then 0
            when item_change_usd = 0 then item_sales_usd
            else item_change_usd / ln({{ quotient('item_sales_usd', 'earlier_item_sales_usd') }})
        end as mean_usd
    from judged
),

split as (
    select
        {% for effect, factor, per in [
            ('households', 'households', none), ('trips', 'baskets', 'households'), ('basket', 'units', 'baskets')
        ] %}
            {% set growth = quotient(factor, 'earlier_' ~ factor) %}
            {% set growth = growth ~ ' * earlier_' ~ per ~ ' / ' ~ per if per else growth %}
            case when has_all_factors then cast(round(mean_usd * ln({{ growth }}), 2) as decimal(18, 2)) else 0 end
                as {{ effect }}_effect_usd,
        {% endfor %}
        *
    from weighed
),

-- What is left to price has the cents of rounding.
final as (
    select
        period_kind,
        period_name,
        earlier_period_name,
        breakdown,
        member,
        case
            when is_in_both then least(households, earlier_households)
            else households + earlier_households
        end as fewest_households,
        cast(sales_usd as decimal(18, 2)) as sales_usd,
        cast(earlier_sales_usd as decimal(18, 2)) as earlier_sales_usd,
        cast(change_usd as decimal(18, 2)) as change_usd,
        cast(households_effect_usd as decimal(18, 2)) as households_effect_usd,
        cast(trips_effect_usd as decimal(18, 2)) as trips_effect_usd,
        cast(basket_effect_usd as decimal(18, 2)) as basket_effect_usd,
        cast(
            case
                when has_all_factors
                    then item_change_usd - households_effect_usd - trips_effect_usd - basket_effect_usd
                else 0
            end as decimal(18, 2)
        ) as price_effect_usd,
        cast(
            case
                when not is_in_both then change_usd
                when has_units and not has_all_factors then item_change_usd
                else 0
            end as decimal(18, 2)
        ) as new_or_gone_effect_usd,
        cast(
            case
                when not is_in_both then 0
                when has_units then change_usd - item_change_usd
                else change_usd
            end as decimal(18, 2)
        ) as unsplit_effect_usd
    from split
)

select * from final
