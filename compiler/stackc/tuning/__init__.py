"""`stackc tune`: the fastest file within a budget of error, found by measuring.

task_budget.py     budgets of what a model is for: a metric, the perplexity of the next token
plan.py            what will be tried, before anything runs
measure.py         the errors and the speed of one candidate
kept_results.py    results kept in the cache, so that a search that was interrupted goes on
switched_model.py  a file in which every product can be computed in either format, by an input
tables.py          by weight and format: the error that it brings to the outputs, and the time it takes
knapsack.py        the assignment that takes the least time for its error
search.py          all of these in order
build_stage.py     the stage of a build
"""
