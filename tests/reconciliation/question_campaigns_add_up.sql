{#
  agg_campaign_performance has every known campaign once, with all of its targets and redemptions; its coupon money is that of
  basket lines that carry it, each counted once: what is attributed is no more than the money of the matched lines.
  Fails? Redemptions differ: dim_campaigns lacks a campaign that is redeemed. Money differs: bridge_redemption_lines attributes a line twice.
#}
with mart as (
    select * from {{ ref('agg_campaign_performance') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
    where not is_unknown
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
    where campaign_id in (select campaigns.campaign_id from campaigns)
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
    where campaign_id in (select campaigns.campaign_id from campaigns)
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

matched as (
    select * from {{ ref('bridge_redemption_lines') }}
),

-- distinct: several redemptions may match one line
matched_lines as (
    select distinct
        basket_id,
        product_id
    from matched
),

matched_money as (
    select
        coalesce(sum(basket_lines.coupon_discount_usd), 0) as coupon_discount_usd,
        coalesce(sum(basket_lines.coupon_match_discount_usd), 0) as coupon_match_discount_usd
    from basket_lines
    inner join matched_lines
        on
            basket_lines.basket_id = matched_lines.basket_id
            and basket_lines.product_id = matched_lines.product_id
),

expected as (
    select
        (select count(*) from campaigns) as campaigns,
        (select count(*) from targets) as targeted_households,
        (select count(*) from redemptions) as redemptions,
        matched_money.coupon_discount_usd as attributed_coupon_discount_usd,
        matched_money.coupon_match_discount_usd as attributed_coupon_match_discount_usd
    from matched_money
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='mart',
        sums=[
            'targeted_households', 'redemptions', 'attributed_coupon_discount_usd',
            'attributed_coupon_match_discount_usd',
        ],
        also={'campaigns': ['max(campaigns)', 'count(*)']}
    ) }}
)

select * from final
