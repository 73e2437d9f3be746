{#
  Every staged placement is in fct_promotions once: per week, placements add up to the rows of staging.
  Fails? As in basket_lines_match_staging: look at observe.built_loads; `--full-refresh` fixes it.
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
