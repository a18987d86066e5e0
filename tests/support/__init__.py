"""Helpers for tests: builders of tiny model files, a reference LSTM, a web server, jobs for worker processes."""
