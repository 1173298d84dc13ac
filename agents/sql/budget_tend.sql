-- Puts reservations and past days away; whether there is any budget.
select drover.tend_budgets() as any_budget
