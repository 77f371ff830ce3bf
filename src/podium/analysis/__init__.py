"""What a session's log says about time, cost and trouble: folds of its records."""
