"""What a learner asks of an LSTM, answered for one layer: each lesson takes a `Subject` and gives a `Section`."""
