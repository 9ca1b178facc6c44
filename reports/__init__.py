"""What it means: read run folders, summarise, plot, render."""
