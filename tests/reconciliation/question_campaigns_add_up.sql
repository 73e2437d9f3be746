{#
  agg_campaign_performance has every campaign once, with all of its targets and redemptions; its coupon money is that of
  basket lines that carry it, each counted once: what is attributed is no more than what the matched lines hold.
  Fails? Redemptions differ: a redemption names a campaign that does not exist; redemptions_match_targets_and_coupons tells
  which. Money differs: bridge_redemption_lines attributes a line twice.
#}
with mart as (
    select * from {{ ref('agg_campaign_performance') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
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

compared as (
    select
        'campaigns' as what,
        (select count(*) from campaigns) as expected,
        (select count(*) from mart) as actual
    union all
    select
        'targets' as what,
        (select count(*) from targets) as expected,
        (select coalesce(sum(mart.targeted_households), 0) from mart) as actual
    union all
    select
        'redemptions' as what,
        (select count(*) from redemptions) as expected,
        (select coalesce(sum(mart.redemptions), 0) from mart) as actual
    union all
    select
        'coupon_discount_usd' as what,
        (select matched_money.coupon_discount_usd from matched_money) as expected,
        (select coalesce(sum(mart.attributed_coupon_discount_usd), 0) from mart) as actual
    union all
    select
        'coupon_match_discount_usd' as what,
        (select matched_money.coupon_match_discount_usd from matched_money) as expected,
        (select coalesce(sum(mart.attributed_coupon_match_discount_usd), 0) from mart) as actual
),

final as (
    select * from compared
    where expected <> actual
)

select * from final
