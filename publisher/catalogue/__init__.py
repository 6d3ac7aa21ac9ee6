"""Which signals there are, who makes and sends them, and who receives them."""
