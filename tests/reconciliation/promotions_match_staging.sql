{#
  Every staged placement is in fct_promotions once: per week, placements add up to the rows of staging.
  Fails? `larder build --all` builds it from all loads. If that fixes it, delete_withdrawn_weeks or unbuilt_loads has a fault.
#}
with promotions as (
    select * from {{ ref('fct_promotions') }}
),

staged as (
    select * from {{ ref('stg_promotions__placements') }}
),

final as (
    {{ totals_agree(
        expected='staged',
        actual='promotions',
        by=['week_number'],
        also={'placements': ['count(*)', 'sum(placements)']}
    ) }}
)

select * from final
