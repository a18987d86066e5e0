"""What is reported of a model: facts, their JSON, and text and pictures made of them."""
