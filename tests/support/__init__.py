"""What tests share: builders of tiny model files, a reference LSTM, a web server, jobs for other processes."""
