"""What is measured and against what: data sets, metrics, intervals, the published loops as baselines, and reports."""
