"""The evaluation protocol: tables of methods, published rows beside them, and figures.

Rows: trained runs with M = 1, 3, 5 sources, other methods' images, and two trivial methods, "copy
source" and "mean image", below which nothing has been learnt. `docs/evaluation.md` says which
column compares with what.

    entrants    test sets, trained runs (methods) and images of others (folders) -> jobs
    scoring     a job, chunk by chunk, with what is known read back
    scorers     what each metric takes from a chunk
    summary     chunks -> a row with its intervals
    report      results -> tables, with published rows and notes
    pictures    results -> figures
    protocol    all jobs, all figures
"""
