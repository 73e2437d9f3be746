-- grain: one row per campaign type
with performance as (
    select * from {{ ref('agg_campaign_performance') }}
),

incremental as (
    select * from {{ ref('agg_campaign_incremental_sales') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

reached as (
    select
        performance.campaign_type,
        -- distinct: campaigns overlap
        count(distinct targets.household_id) as reached_households
    from targets
    inner join performance
        on targets.campaign_id = performance.campaign_id
    group by performance.campaign_type
),

responses as (
    select
        campaign_type,
        count(*) as campaigns,
        cast(sum(targeted_households) as bigint) as targets,
        cast(sum(responding_households) as bigint) as responses,
        -- A household gets 16 coupons of a personalised campaign, and all of another.
        cast(
            sum(targeted_households * case when campaign_type = 'A' then least(coupons, 16) else coupons end) as bigint
        ) as offers,
        cast(sum(redemptions) as bigint) as redemptions,
        cast(sum(attributed_coupon_discount_usd) as decimal(18, 2)) as attributed_coupon_discount_usd,
        cast(sum(attributed_coupon_match_discount_usd) as decimal(18, 2)) as attributed_coupon_match_discount_usd
    from performance
    group by campaign_type
),

summed as (
    select
        campaign_type,
        comparison,
        count(incremental_sales_usd) as compared_campaigns,
        cast(sum(matched_sales_usd) as decimal(18, 2)) as matched_sales_usd,
        cast(sum(incremental_sales_usd) as decimal(18, 2)) as incremental_sales_usd,
        -- Squares add up, as of campaigns that vary apart from each other.
        cast(round(sqrt(sum({{ square('standard_error_usd') }})), 2) as decimal(18, 2)) as standard_error_usd
    from incremental
    group by campaign_type, comparison
),

final as (
    select
        responses.campaign_type,
        responses.campaigns,
        coalesce(reached.reached_households, 0) as reached_households,
        responses.targets,
        responses.responses,
        {{ ratio('responses.responses', 'responses.targets') }} as response_rate,
        responses.offers,
        responses.redemptions,
        {{ ratio('responses.redemptions', 'responses.offers') }} as redemption_rate,
        responses.attributed_coupon_discount_usd,
        responses.attributed_coupon_match_discount_usd,
        campaign.compared_campaigns,
        campaign.matched_sales_usd,
        campaign.incremental_sales_usd,
        {{ interval_end('campaign.incremental_sales_usd', '-', 'campaign.standard_error_usd') }}
            as incremental_from_usd,
        {{ interval_end('campaign.incremental_sales_usd', '+', 'campaign.standard_error_usd') }}
            as incremental_to_usd,
        placebo.incremental_sales_usd as placebo_sales_usd,
        {{ interval_end('placebo.incremental_sales_usd', '-', 'placebo.standard_error_usd') }}
            as placebo_from_usd,
        {{ interval_end('placebo.incremental_sales_usd', '+', 'placebo.standard_error_usd') }}
            as placebo_to_usd
    from responses
    left join reached
        on responses.campaign_type = reached.campaign_type
    inner join summed as campaign
        on
            responses.campaign_type = campaign.campaign_type
            and campaign.comparison = 'campaign'
    inner join summed as placebo
        on
            responses.campaign_type = placebo.campaign_type
            and placebo.comparison = 'placebo'
)

select * from final
