"""The query laboratory: strategies × statements × parameter classes, executed and compared."""
