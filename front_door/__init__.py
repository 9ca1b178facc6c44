"""What stands behind the verbs: how commands begin and end, their options, and the verbs on stored runs."""
