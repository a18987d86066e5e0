"""An index of the nodes of a graph by offset and name, which parses no node, and no repetition of nodes twice."""
