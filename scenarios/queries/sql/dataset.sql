-- purpose: What the data set says of itself.
SELECT manifest::text FROM chatbench.dataset
