"""What an LSTM is: the shapes its arrays have and why, which slice is which gate, and how to find one in a model."""

from lstmdump.lstm.cell import GATES, LSTM, Gate, LSTMWeight
from lstmdump.lstm.find import find_lstms
from lstmdump.lstm.roles import Role

__all__ = ["GATES", "LSTM", "Gate", "LSTMWeight", "Role", "find_lstms"]
