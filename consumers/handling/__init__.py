"""What happens to one delivery: called once in effect, and what becomes of it. No broker in here."""
