-- purpose: What the data set that this database holds says of itself; no row before all of it is there.
SELECT manifest FROM chatbench.dataset
