"""Takes a new release into a team's clone: a git merge in which params, pipeline and own code are migrated."""
