-- grain: one row per campaign
with campaigns as (
    select * from {{ ref('dim_campaigns') }}
    -- of an unknown campaign nobody knows when it is
    where start_date is not null
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

matched as (
    select * from {{ ref('bridge_redemption_lines') }}
),

last_delivery as (
    select max(business_date) as business_date
    from baskets
),

shopping as (
    select
        targets.campaign_id,
        -- distinct: a household has many baskets
        count(distinct targets.household_id) as shopping_households,
        cast(sum(baskets.sales_usd) as decimal(18, 2)) as target_sales_usd
    from targets
    inner join campaigns
        on targets.campaign_id = campaigns.campaign_id
    inner join baskets
        on
            targets.household_id = baskets.household_id
            and baskets.business_date between campaigns.start_date and campaigns.end_date
    group by targets.campaign_id
),

responses as (
    select
        campaign_id,
        count(*) as redemptions,
        -- distinct: a household may redeem several coupons, a coupon may be redeemed by many. Of those that the
        -- campaign has.
        count(distinct case when is_targeted then household_id end) as responding_households,
        count(distinct case when is_offered then coupon_upc end) as redeemed_coupons
    from redemptions
    group by campaign_id
),

discounts as (
    select
        campaign_id,
        -- distinct: a redemption may pay several lines
        count(distinct redemption_id) as redemptions_with_discount,
        cast(
            sum(case when is_attributed then coupon_discount_usd else 0 end) as decimal(18, 2)
        ) as attributed_coupon_discount_usd,
        cast(
            sum(case when is_attributed then coupon_match_discount_usd else 0 end) as decimal(18, 2)
        ) as attributed_coupon_match_discount_usd
    from matched
    group by campaign_id
),

final as (
    select
        campaigns.campaign_id,
        campaigns.campaign_type,
        campaigns.start_date,
        campaigns.end_date,
        coalesce(last_delivery.business_date >= campaigns.end_date, false) as is_complete,
        campaigns.targeted_households,
        coalesce(shopping.shopping_households, 0) as shopping_households,
        coalesce(responses.responding_households, 0) as responding_households,
        {{ ratio('coalesce(responses.responding_households, 0)', 'campaigns.targeted_households') }} as response_rate,
        campaigns.coupons,
        coalesce(responses.redeemed_coupons, 0) as redeemed_coupons,
        coalesce(responses.redemptions, 0) as redemptions,
        coalesce(discounts.redemptions_with_discount, 0) as redemptions_with_discount,
        coalesce(discounts.attributed_coupon_discount_usd, 0) as attributed_coupon_discount_usd,
        coalesce(discounts.attributed_coupon_match_discount_usd, 0) as attributed_coupon_match_discount_usd,
        coalesce(shopping.target_sales_usd, 0) as target_sales_usd
    from campaigns
    cross join last_delivery
    left join shopping
        on campaigns.campaign_id = shopping.campaign_id
    left join responses
        on campaigns.campaign_id = responses.campaign_id
    left join discounts
        on campaigns.campaign_id = discounts.campaign_id
)

select * from final
