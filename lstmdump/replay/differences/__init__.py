"""Arrays of two models, number by number: how they differ, and what explains that exactly, in bounded memory."""
