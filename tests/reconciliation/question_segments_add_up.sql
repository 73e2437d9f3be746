{#
  The segments have every household that has bought once, with its baskets and sales, and one in ten of them at the top.
  Fails? agg_household_profile has households without a state that have bought, or a segment was built before it.
#}
with mart as (
    select * from {{ ref('agg_household_segments') }}
),

profiles as (
    select * from {{ ref('agg_household_profile') }}
    where baskets > 0
),

final as (
    {{ totals_agree(
        expected='profiles',
        actual='mart',
        by=['segment', 'lifecycle_state'],
        sums=['baskets', 'sales_usd'],
        also={
            'households': ['count(*)', 'sum(households)'],
            'top_decile_households': ['count(case when value_decile = 1 then 1 end)', 'sum(top_decile_households)'],
        }
    ) }}
)

select * from final
